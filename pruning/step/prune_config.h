// prune_config.h: the "prune" section of a run config: criterion x inverse x schedule x selection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pruning/choice/search.h"
#include "pruning/choice/selection.h"
#include "pruning/criterion/criterion.h"
#include "pruning/rows/network_rows.h"
#include "pruning/schedule/schedule.h"
#include "pruning/update/update.h"

namespace espalier {

/// How long WoodTaylor's gradient step is.
enum class StepSearch {
  none,     ///< as it comes
  model,    ///< the best length under the quadratic model over all weights
  held_out  ///< that, then the best of 0, 1/8, 1/4, 1/2, 1 times it on held-out training examples
};

struct PruneConfig {
  Variant<Criterion> criterion;
  Variant<InverseSettings> inverse;
  Variant<ScheduleSettings> schedule;
  Variant<GroupSettings> group;
  Variant<SetSearch> search;
  std::optional<double> damp = 1e-5;  ///< none: "auto"
  double step_damp = 1;
  StepSearch step_search = StepSearch::model;
  UpdateMode update = UpdateMode::simultaneous;
  SelectionSettings selection;
  std::vector<std::string> include, exclude;
  double flops_exponent = 0, flops_target = 0;
  FisherKind fisher = FisherKind::empirical;
  int num_grads = 400, grad_batch_size = 1, num_stages = 1;
  std::optional<int> num_recomputations = 1;  ///< none: "auto"
  double trust_factor = 3;
  int held_out_examples = 1000;
  bool gradients_in_file = false;
  SubLevels recomputation_levels = SubLevels::polynomial;
  std::string index_file;
  bool fresh_examples = true, recalibrate_batch_norm = true;
  int recalibration_examples = 2000;

  PruneConfig();
  void fields(Fields& f);
  bool needs_gradients() const;
  /// F^-1 as saliencies and updates use it (the joint update of inverses that fit subsets builds its own).
  bool needs_inverse() const;
  /// `update`, where it can be taken: the paper's sum of single updates is made of the inverse that the
  /// criterion takes, so with others the survivors stay where they are.
  UpdateMode move_of_survivors() const {
    return update == UpdateMode::joint || criterion->needs_inverse() ? update : UpdateMode::none;
  }
  double inverse_memory(int rows, std::span<const Range> layers) const {
    return needs_inverse() || update == UpdateMode::joint ? inverse->memory(rows, layers) : 0;
  }
};

}  // namespace espalier
