// charts.h: pictures of an experiment's results, for its page in the repository.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/experiments/experiment.h"
#include "tools/experiments/results.h"

namespace espalier {

/// Accuracy and sparsity of a run that trains, before and after a pruning step or at an epoch's end.
struct CurvePoint {
  std::string part = {}, method = {}, value = {};
  int seed = 1;
  bool step = false;                                                  ///< a pruning step; else an epoch's end
  double epoch = 0, sparsity = 0, accuracy_before = 0, accuracy = 0;  ///< shares; before: of steps only
};

/// Epochs and pruning steps of all runs that train.
std::vector<CurvePoint> curves_of(const std::vector<ExperimentCell>& cells);

/// Charts into `folder`: for each part with at least two numeric values and each quantity that it shows
/// PART.png or PART_QUANTITY.png (of predicted and measured losses PART_loss.png, one against the other); for
/// each part and value of runs that train and prune the accuracy over epochs, PART_VALUE_epochs.png. Pictures
/// that lie there already are removed.
void draw_experiment(const Experiment& experiment, const std::vector<Result>& results,
                     const std::vector<CurvePoint>& curves, const std::filesystem::path& folder);

}  // namespace espalier
