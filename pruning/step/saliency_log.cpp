#include "pruning/step/saliency_log.h"

#include <fcntl.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "framework/io/atomic_file.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

constexpr int bins = 48;

/// log10 of the positive saliencies: where bins begin, and how wide they are.
struct Bins {
  double low = 0, width = 1;
  std::size_t of(double saliency) const {
    const double at = std::floor((std::log10(saliency) - low) / width);
    return static_cast<std::size_t>(std::clamp(at, 0.0, bins - 1.0));
  }
};

Bins bins_of(const SaliencyStep& step) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (std::size_t q = 0; q < step.saliency.size(); ++q)
    if (const double s = step.saliency[q]; !step.before[q] && s > 0 && std::isfinite(s)) {
      low = std::min(low, std::log10(s));
      high = std::max(high, std::log10(s));
    }
  if (low > high) return {};
  return {.low = low, .width = std::max((high - low) / bins, 1e-6)};
}

}  // namespace

std::string saliency_lines(const SaliencyStep& step) {
  const Bins at = bins_of(step);
  std::string lines;
  for (const LayerView& layer : step.layers) {
    std::vector<Index> removed(bins), kept(bins);
    Index removed_below = 0, kept_below = 0;
    double highest_removed = -std::numeric_limits<double>::infinity(), lowest_kept = -highest_removed;
    for (Index c = layer.columns.begin; c < layer.columns.end; ++c) {
      const auto q = static_cast<std::size_t>(c);
      const double saliency = step.saliency[q];
      if (step.before[q] || !std::isfinite(saliency)) continue;
      const bool leaves = step.removed[q];
      if (saliency > 0)
        ++(leaves ? removed : kept)[at.of(saliency)];
      else
        ++(leaves ? removed_below : kept_below);
      if (leaves) highest_removed = std::max(highest_removed, saliency);
      if (!leaves) lowest_kept = std::min(lowest_kept, saliency);
    }
    // Infinite values, of layers where nothing left or nothing stayed, are written as null.
    lines += Json{{"epoch", step.epoch},
                  {"sub_step", step.sub_step},
                  {"layer", layer.name},
                  {"low", at.low},
                  {"width", at.width},
                  {"removed", removed},
                  {"kept", kept},
                  {"removed_below", removed_below},
                  {"kept_below", kept_below},
                  {"highest_removed", highest_removed},
                  {"lowest_kept", lowest_kept}}
                 .dump(-1, ' ', false, Json::error_handler_t::replace) +
             "\n";
  }
  return lines;
}

void log_saliency(const std::filesystem::path& folder, const SaliencyStep& step, bool first) {
  FileHandle file(folder / "saliency.jsonl", O_WRONLY | O_CREAT | (first ? O_TRUNC : O_APPEND), ExitCode::io);
  file.write(saliency_lines(step));
  file.sync();
}

}  // namespace espalier
