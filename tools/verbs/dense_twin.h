// dense_twin.h: "baseline": "equal_budget": the network of a pruning run trained as long without pruning, from the
// same seed or checkpoint, so that their difference is what sparsity costs and not what more epochs gain.
#pragma once

#include <string>

#include "tools/run/options.h"
#include "tools/run/rows.h"
#include "tools/run/session.h"

namespace espalier {

/// Whether the run of `config` is to have a twin.
bool wants_twin(const RunConfig& config);

/// What the twin will cost, for people: before any of it is run. `folder`: of the pruning run.
std::string twin_cost(RunConfig& config, const std::filesystem::path& folder);

/// Trains the twin in `folder`/baseline, or takes the one that is there if it is of the same config (only "prune"
/// may be another), and sets the twin's columns of `row`: accuracies, images that only one of the two has right,
/// the price of sparsity and its standard error. A stop is Error(interrupted); the next call goes on.
void compare_with_twin(const CommandOptions& options, RunConfig& config, const Workbench& pruned,
                       const std::filesystem::path& folder, DoneRow& row);

/// Standard error of the difference of two accuracies on the same `images`, of which `a` only the first and `b` only
/// the second has right: both are tested on the same draw, so images that both have right add no noise.
double paired_error(std::int64_t a, std::int64_t b, std::int64_t images);

}  // namespace espalier
