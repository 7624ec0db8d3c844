// batch_norm.cpp: per-channel sums and affine maps over fixed chunks of rows.
#include "framework/kernels/batch_norm.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {
constexpr Index values_per_chunk = 16384;
Index positions_per_chunk(Index channels) {
  return std::max<Index>(1, values_per_chunk / std::max<Index>(channels, 1));
}
}  // namespace

void channel_moments(Index rows, Index channels, const Real* x, Real* mean, Real* variance) {
  const Index step = positions_per_chunk(channels), chunks = (rows + step - 1) / step;
  // Per chunk: mean and sum of squared deviations. Deviations are taken from the chunk's first row, so a
  // large common mean does not cancel.
  Scratch<double> means(chunks * channels), squares(chunks * channels);
  const InstructionSet& simd = instruction_set();
  parallel_for(rows, step, [&](Range r) {
    double* m = means.data() + r.begin / step * channels;
    double* s = squares.data() + r.begin / step * channels;
    const Real* origin = x + r.begin * channels;
    simd.moments(r.size(), channels, origin, origin, m, s);
    const auto count = static_cast<double>(r.size());
    for (Index c = 0; c < channels; ++c) {
      s[c] -= m[c] * m[c] / count;
      m[c] = static_cast<double>(origin[c]) + m[c] / count;
    }
  });
  for (Index c = 0; c < channels; ++c) {
    double n = 0, m = 0, s = 0;  // Chan, Golub & LeVeque 1983
    for (Index k = 0; k < chunks; ++k) {
      const auto count = static_cast<double>(std::min(step, rows - k * step));
      const double delta = means[k * channels + c] - m, weight = count / (n + count);
      s += squares[k * channels + c] + delta * delta * n * weight;
      m += delta * weight;
      n += count;
    }
    mean[c] = static_cast<Real>(m);
    variance[c] = static_cast<Real>(std::max(s / std::max(n, 1.0), 0.0));
  }
}

void channel_affine(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                    const Real* add, const Finish& finish, Real* y) {
  const InstructionSet& simd = instruction_set();
  parallel_for(rows, positions_per_chunk(channels), [&](Range r) {
    const Index at = r.begin * channels;
    simd.affine(r.size(), channels, x + at, scale, shift, add ? add + at : nullptr, finish, y + at);
  });
}

namespace {
/// Sums of x, and of its products with z unless z is null; see InstructionSet::sums.
void all_sums(Index rows, Index channels, const Real* x, const Real* z, const Real* scale, const Real* shift,
              const Finish& finish, double* sum, double* product) {
  const Index step = positions_per_chunk(channels), chunks = (rows + step - 1) / step;
  Scratch<double> sums(chunks * channels), products(z ? chunks * channels : 0);
  const InstructionSet& simd = instruction_set();
  parallel_for(rows, step, [&](Range r) {
    const Index at = r.begin * channels, chunk = r.begin / step * channels;
    simd.sums(r.size(), channels, x + at, z ? z + at : nullptr, scale, shift, finish, sums.data() + chunk,
              z ? products.data() + chunk : nullptr);
  });
  for (Index c = 0; c < channels; ++c) {
    sum[c] = 0;
    if (z) product[c] = 0;
    for (Index k = 0; k < chunks; ++k) {
      sum[c] += sums[k * channels + c];
      if (z) product[c] += products[k * channels + c];
    }
  }
}
}  // namespace

void channel_sums(Index rows, Index channels, const Real* x, const Real* z, Real* sum, Real* sum_product) {
  Scratch<double> s(channels), p(channels);
  all_sums(rows, channels, x, z, nullptr, nullptr, Finish(), s.data(), p.data());
  for (Index c = 0; c < channels; ++c) {
    sum[c] = static_cast<Real>(s[c]);
    if (z) sum_product[c] = static_cast<Real>(p[c]);
  }
}

void batch_norm_means(Index rows, Index channels, const Real* x, const Real* dy, const BatchNormChannels& at,
                      Real* mean_dy, Real* mean_dy_xhat) {
  Scratch<double> sum(channels), product(channels);
  all_sums(rows, channels, dy, x, at.scale, at.shift, at.finish, sum.data(), product.data());
  const auto count = static_cast<double>(rows);
  for (Index c = 0; c < channels; ++c) {
    mean_dy[c] = static_cast<Real>(sum[c] / count);
    mean_dy_xhat[c] = static_cast<Real>((product[c] - static_cast<double>(at.mean[c]) * sum[c]) *
                                        static_cast<double>(at.inv_std[c]) / count);
  }
}

void batch_norm_input_grad(Index rows, Index channels, const Real* x, const Real* dy,
                           const BatchNormChannels& at, const Real* mean_dy, const Real* mean_dy_xhat,
                           Real* dx) {
  // dx = a dy + b (x - mean) + d; x stays centred, since b x + constant would cancel for a large mean.
  Scratch<Real> a(channels), b(channels), d(channels);
  for (Index c = 0; c < channels; ++c) {
    a[c] = at.gamma[c] * at.inv_std[c];
    b[c] = -a[c] * at.inv_std[c] * mean_dy_xhat[c];
    d[c] = -a[c] * mean_dy[c];
  }
  const InstructionSet& simd = instruction_set();
  parallel_for(rows, positions_per_chunk(channels), [&](Range r) {
    const Index from = r.begin * channels;
    simd.affine_pair(r.size(), channels, dy + from, x + from, a.data(), b.data(), at.mean, d.data(), at.scale,
                     at.shift, at.finish, dx + from);
  });
}

void channel_scale_within(Index rows, Index channels, Real low, Real high, const Real* dy, const Real* y,
                          const Real* scale, Real* dx) {
  const InstructionSet& simd = instruction_set();
  parallel_for(rows, positions_per_chunk(channels), [&](Range r) {
    const Index at = r.begin * channels;
    simd.scale_within(r.size(), channels, low, high, dy + at, y + at, scale, dx + at);
  });
}

}  // namespace espalier::kernels
