// network_record.h: what an inference needs besides the weights: the network, how its images are prepared, and
// what its outputs are called. Written into the metadata ("network") of every checkpoint a run saves, and taken
// from there when a checkpoint is used.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/run/run_config.h"

namespace espalier {

struct NetworkRecord {
  std::string model = "{}";                 ///< the "model" section, resolved, as JSON
  int height = 0, width = 0, channels = 0;  ///< of the images the network sees
  PictureFit fit;
  int pad_to = 0;
  Normalization normalize;
  std::vector<std::string> class_names;
  void fields(Fields& f);
};

/// Of a run with these data. `config` is resolved.
std::string network_json(RunConfig& config, const LoadedData& data);

/// Of a safetensors file; nothing if it has none (a checkpoint of another program). Throws Error(checkpoint)
/// naming file and field if what it has is damaged.
std::optional<NetworkRecord> read_network_record(const std::filesystem::path& path);

/// Puts what the record says where `config` says nothing, and returns a sentence for each contradiction that
/// the config decides.
std::vector<std::string> apply_record(const NetworkRecord& record, DataConfig& config,
                                      const std::string& checkpoint);

}  // namespace espalier
