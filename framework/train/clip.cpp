#include "framework/train/clip.h"

#include <cmath>
#include <numeric>

#include "framework/core/parallel.h"

namespace espalier {

double clip_gradients(ParameterStore& store, double most) {
  constexpr Index part = 1 << 16;
  const std::span<Real> g = store.gradients();
  const auto n = static_cast<Index>(g.size());
  std::vector<double> sums((n + part - 1) / part, 0.0);
  parallel_for(static_cast<Index>(sums.size()), 1, [&](Range parts) {
    for (Index p = parts.begin; p < parts.end; ++p)
      for (Index i = p * part; i < std::min(n, (p + 1) * part); ++i)
        sums[p] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  });
  const double norm = std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
  if (!(norm > most)) return norm;
  const auto scale = static_cast<Real>(most / norm);
  parallel_for(n, part, [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) g[i] *= scale;
  });
  return norm;
}

}  // namespace espalier
