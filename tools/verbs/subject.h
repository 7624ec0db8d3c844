// subject.h: the network that a command line names: by the folder of a run, a config, a checkpoint or a compact file.
// Its data need not be there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/deploy/network_file.h"
#include "tools/run/run_config.h"

namespace espalier {

/// A file of weights, and the config it belongs to as far as that is known.
struct Subject {
  std::filesystem::path checkpoint, folder;  ///< `folder` is where results go
  WeightsFile file;
  std::optional<RunConfig> config;
};

/// `config`: of a checkpoint that does not say its own; empty: none. `overrides`: of the config, path=value.
/// `checkpoint`: instead of the run's; empty: none. Throws Error(usage) if there are no weights yet.
Subject find_subject(const std::string& input, const std::string& config = {},
                     const std::vector<std::string>& overrides = {}, const std::string& checkpoint = {});

/// Graph, weights and task. What the file does not say of its task is taken from `data` (null: not at hand). Throws
/// Error(usage) or Error(data) that say what is missing.
NetworkFile network_of(const Subject& subject, const LoadedData* data);

}  // namespace espalier
