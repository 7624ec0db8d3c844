#include "pruning/step/auto_damp.h"

#include <algorithm>
#include <cmath>

namespace espalier {

DampChoice choose_damp(const PruneConfig& config, const QuadraticModel& data,
                       std::span<const LayerView> layers, double sparsity, Trial& held_out) {
  const auto family = config.inverse->family(*data.rows, data.layers);
  const std::vector<double> spectrum = family->spectrum();
  int lowest = -8, highest = 2;
  if (!spectrum.empty() && spectrum.back() > 0) {
    highest = std::clamp(static_cast<int>(std::ceil(std::log10(spectrum.back()))), -6, 2);
    lowest = std::clamp(static_cast<int>(std::floor(std::log10(spectrum.front()))) - 1, -8, highest - 1);
  }
  std::vector<double> ladder;
  for (int exponent = highest; exponent >= lowest; --exponent) ladder.push_back(std::pow(10.0, exponent));
  family->prepare(ladder);
  DampChoice choice;
  const double before = held_out.loss();
  const MoveLoss on_held_out = [&](std::span<const double> delta) { return held_out.loss(delta); };
  for (const double damp : ladder) {
    DampTrial trial{.damp = damp};
    try {
      const Plan plan = Planner(config, data, layers, trial.damp, on_held_out, family.get()).plan(sparsity);
      trial.predicted = plan.prediction.change();
      trial.measured = held_out.loss(plan.delta) - before;
    } catch (const Error& e) {
      if (e.code() != ExitCode::numeric && e.code() != ExitCode::pruning) throw;
      trial.measured = NAN;  // this dampening can't be used
    }
    choice.trials.push_back(trial);
  }
  const DampTrial* best = nullptr;
  for (const DampTrial& t : choice.trials)  // from large to small
    if (std::isfinite(t.measured) && (!best || before + t.measured < (before + best->measured) * 0.99))
      best = &t;
  if (!best)
    fail(ExitCode::numeric,
         "prune.damp auto: no dampening from 1e{} to 1e{} gives a usable "
         "step to {:.2f} %; check the gradients, or prune less at a time",
         lowest, highest, 100 * sparsity);
  choice.damp = best->damp;
  std::string others;
  for (const DampTrial& t : choice.trials)
    if (&t != best) others += fmt::format("{}{:g}: {:+.3g}", others.empty() ? "" : ", ", t.damp, t.measured);
  choice.reason = fmt::format("damp {:g}: held-out loss {:+.4g} (predicted {:+.4g}); others {}", best->damp,
                              best->measured, best->predicted, others);
  return choice;
}

}  // namespace espalier
