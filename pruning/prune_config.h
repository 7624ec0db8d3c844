// prune_config.h: the "prune" section of a run config: criterion x inverse x schedule x selection.
#pragma once

#include <string>
#include <vector>

#include "pruning/criterion.h"
#include "pruning/schedule.h"
#include "pruning/selection.h"
#include "pruning/update.h"

namespace espalier {

struct PruneConfig {
  Choice<Criterion> criterion;
  Choice<InverseSettings> inverse;
  Choice<ScheduleSettings> schedule;
  double damp = 1e-5, step_damp = 1, step_limit = 0;
  bool step_search = true;
  UpdateMode update = UpdateMode::simultaneous;
  SelectionSettings selection;
  std::vector<std::string> include, exclude;
  int num_grads = 400, grad_batch_size = 1, num_recomputations = 1;
  SubLevels recomputation_levels = SubLevels::polynomial;
  std::string index_file;
  bool fresh_examples = true, recalibrate_batch_norm = true;
  int recalibration_examples = 2000;

  PruneConfig();
  void fields(Fields& f);
  bool needs_gradients() const;
  double inverse_memory(int rows, std::span<const Range> layers) const {
    return criterion->needs_inverse() || update == UpdateMode::joint ? inverse->memory(rows, layers) : 0;
  }
};

}  // namespace espalier
