// moments.h: moments.jsonl of a pruning run as the part of tour.json that the report's slider reads.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "framework/io/run_folder.h"
#include "pruning/step/moment_log.h"

namespace espalier {

/// {"moments": [{"epoch", "sparsity", "test_accuracy", "what", "weights", "scale", "right"}], "layer", "shape", "images": [
/// {"number", "label", "height", "width", "channels", "pixels": base64, "classes": [of each moment]}], "class_names"}: at most
/// 24 moments, the last is `end`; images whose class changes on the way from right to wrong or back, at most 24.
/// Null where the run has no moments.
nlohmann::ordered_json moments_json(const RunFolder& folder, const std::string& end, const LoadedData& data);

}  // namespace espalier
