// moment_log.h: what a network was before the first pruning step and after each, in moments.jsonl of the run's folder: the
// weights of its first layer, and the class it takes each of some test images for. The report's slider goes through them.
#pragma once

#include <filesystem>
#include <string>

#include "framework/data/data_config.h"
#include "framework/nn/model.h"
#include "pruning/step/layers.h"

namespace espalier {

/// One moment of a run.
struct Moment {
  int epoch = 0, sub_step = 0;
  double sparsity = 0, test_accuracy = 0;
  const char* what = "pruned";  ///< or "dense", "end"
};

/// One line: {"epoch", "sub_step", "sparsity", "test_accuracy", "what", "layer", "shape" (OHWI or [out, in]), "scale",
/// "weights": [v: v / 127 * scale, -128: pruned], "classes": [of the first 2,000 test images]}. Layers of more than 8,192
/// weights have an empty list.
std::string moment_line(const Moment& moment, const Model& model, const PrunableLayers& layers,
                        const LoadedData& data);

/// Appends it to the file of `folder`; `first` empties it before. Throws Error(io).
void log_moment(const std::filesystem::path& folder, const std::string& line, bool first);

}  // namespace espalier
