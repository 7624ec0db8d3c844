#include "pruning/step/prune.h"

#include <cmath>

#include "framework/train/evaluate.h"
#include "pruning/step/auto_damp.h"

namespace espalier {

PruneResult prune(Model& model, const LoadedData& data, const PruneConfig& config, double sparsity,
                  std::uint64_t seed) {
  if (!(sparsity >= 0 && sparsity < 1))
    fail(ExitCode::config, "prune(): sparsity is {}; it must be at least 0 and less than 1", sparsity);
  PruningSite site(model, data, config, {.seed = seed});
  if (config.needs_gradients()) site.gather_gradients(config.inverse->needs_kronecker());
  PruneResult result{.damp = config.damp.value_or(1), .loss_before = site.loss()};
  if (!config.damp && site.data().rows)
    result.damp = choose_damp(config, site.data(), site.views(), sparsity, site.held_out()).damp;
  const Plan plan = site.planner(config, result.damp).plan(sparsity);
  site.put(plan);
  if (config.recalibrate_batch_norm) recalibrate_batch_norm(model, data, config.recalibration_examples, seed);
  result.sparsity = plan.sparsity();
  if (plan.has_prediction) result.predicted = plan.prediction;
  result.loss_after = site.trial().loss();
  if (!std::isfinite(result.loss_after))
    fail(
        ExitCode::numeric,
        "prune(): the loss is not finite at {:.2f} % sparsity: the update was too large for the quadratic model; "
        "raise damp or step_damp, or prune in smaller steps",
        100 * result.sparsity);
  return result;
}

}  // namespace espalier
