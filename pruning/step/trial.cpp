#include "pruning/step/trial.h"

#include <algorithm>

#include "framework/train/evaluate.h"

namespace espalier {

double Trial::loss(std::span<const double> delta) {
  return loss_of_part(delta, {0, static_cast<Index>(delta.size())});
}

double Trial::loss_of_part(std::span<const double> delta, Range range) {
  const std::span<Real> values = model_.store().values();
  const std::vector<Real> before(values.begin(), values.end());
  struct Restore {
    std::span<Real> to;
    const std::vector<Real>& from;
    ~Restore() { std::copy(from.begin(), from.end(), to.begin()); }
  } restore{values, before};
  Index column = 0;
  for (const Range place : layers_.places)
    for (Index i = place.begin; i < place.end && !delta.empty(); ++i, ++column)
      if (column >= range.begin && column < range.end) {
        Real& w = values[i];
        w = static_cast<Real>(static_cast<double>(w) + delta[column]);
      }
  return mean_loss(model_, examples_);
}

}  // namespace espalier
