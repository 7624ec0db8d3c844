// combinations.h: what a config's "sweep" section lists, as configs of their own.
#pragma once

#include <string>
#include <vector>

#include "tools/run/rows.h"
#include "tools/run/run_config.h"

namespace espalier {

/// A cell's settings without its sparsity: cells of one combination share the inverse and the saliencies. `settings`
/// are the columns of a cell's row up to "scope"; `config` is the run's own with them put in.
struct Combination {
  CellRow settings;
  RunConfig config;
  /// "woodfisher block 100 joint", with the dampening where several are listed.
  std::string label(bool with_damp) const;
};

/// Whether two cells are of the same combination.
bool same_combination(const CellRow& a, const CellRow& b);

/// Throws Error(config) on a criterion or inverse that is none.
void check_names(const SweepConfig& sweep);

/// All combinations, each once, with what does not matter to a criterion left out. Contradictory ones are named in
/// `skipped`.
std::vector<Combination> list_combinations(RunConfig& config, std::vector<std::string>& skipped);

}  // namespace espalier
