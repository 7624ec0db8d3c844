// saliency_log.h: how the saliencies of a pruning step lay, layer by layer,
// and where the cut fell: counts in bins, in saliency.jsonl of the run's
// folder, from which `espalier report` draws. They themselves are not kept.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "pruning/choice/groups.h"

namespace espalier {

/// One pruning step as its log sees it; spans and references must outlive the call.
struct SaliencyStep {
  int epoch = 0, sub_step = 1;
  std::span<const double> saliency;  ///< the criterion's, of every prunable weight
  const std::vector<bool>& before;   ///< weights that were pruned earlier: they have none and are left out
  const std::vector<bool>& removed;  ///< with those of before
  std::span<const LayerView> layers;
};

/// Lines of saliency.jsonl, one JSON object a layer: {"epoch", "sub_step", "layer", "low",
/// "width", "removed": [..], "kept": [..], "removed_below", "kept_below",
/// "highest_removed", "lowest_kept"}. Bin i counts weights with log10(saliency) in [low + i
/// width, low + (i + 1) width), the same bins for all layers of a step; saliencies that are
/// zero or negative count as "below". The last two are null where there is no such weight.
std::string saliency_lines(const SaliencyStep& step);

/// Appends the lines to the file of `folder`,
/// after emptying it if this is the run's first step. Throws Error(io).
void log_saliency(const std::filesystem::path& folder, const SaliencyStep& step, bool first);

}  // namespace espalier
