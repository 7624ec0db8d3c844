// sweep_config.h: the "sweep" section of a run config: lists whose every combination is pruned one-shot.
#pragma once

#include <string>
#include <vector>

#include "framework/config/fields.h"

namespace espalier {

struct SweepConfig {
  std::vector<std::string> criteria, inverses, updates, scopes;
  std::vector<int> block_sizes;
  std::vector<double> damps, sparsities;
  std::string published;
  void fields(Fields& f) {
    f.required()("sparsities", sparsities, "sparsities to prune to, each from the dense network",
                 {.low = 0, .high = 1, .high_open = true});
    f("criteria", criteria, "kinds of prune.criterion; empty: that of the prune section");
    f("inverses", inverses, "kinds of prune.inverse; empty: that of the prune section");
    f("block_sizes", block_sizes, "fisher_block_size of inverse block; empty: that of the prune section",
      {.low = 1});
    f("damps", damps, "dampenings; empty: that of the prune section", {.low = 0, .low_open = true});
    f("updates", updates, "kinds of prune.update; empty: that of the prune section");
    f("scopes", scopes, "kinds of prune.scope; empty: that of the prune section");
    f.path("published", published,
      "JSON file with published accuracies to print beside ours (see configs/published)");
  }
};

}  // namespace espalier
