// report_layers.h: the weights of a run as a page shows them: how they are distributed before and after
// pruning, which filters and inputs are left.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace espalier {

/// The layers of `pruned` and, if not empty, of `dense`, safetensors files of one network, in the order of
/// the network: a list of
///   {"name", "shape": [out, in, height, width] or [out, in], "weights", "kept",
///    "histogram": {"low", "high", "before": [counts] or null, "after": [counts]},  of weights that are left
///    "inputs": [number of weights kept of each input],                              of [out, in] layers
///    "tiles": {"scale", "before": base64 or null, "after": base64}}                 of 4-axis layers
/// Tiles are the weights in the order of the file as int8: v means v / 127 * scale, -128 a pruned weight.
/// They are left out once they would need more than `budget` bytes in all. What is left out or cannot be
/// read is said in `notices`.
nlohmann::ordered_json read_layers(const std::filesystem::path& pruned, const std::filesystem::path& dense,
                                   std::size_t budget, std::vector<std::string>& notices);

}  // namespace espalier
