// softmax.cpp: the exponentials of a chunk of rows in one go, since rows are short (classes); float64 inside
// a row.
#include "framework/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"

namespace espalier::kernels {
namespace {

Index logits_per_chunk(Index classes) { return std::max<Index>(1, 1024 / std::max<Index>(classes, 1)); }

Real largest(Index classes, const Real* x) {
  Real top = x[0];
  for (Index k = 1; k < classes; ++k) top = std::max(top, x[k]);
  return top;
}

/// p = exp(x - largest(x)) for `rows` rows; `top`, unless null, gets the largest of each.
void exponentials(Index rows, Index classes, const Real* x, Real* p, Real* top) {
  for (Index e = 0; e < rows; ++e) {
    const Real* row = x + e * classes;
    const Real most = largest(classes, row);
    for (Index k = 0; k < classes; ++k) p[e * classes + k] = row[k] - most;
    if (top) top[e] = most;
  }
  instruction_set().exponential(rows * classes, p, p);
}

/// Divides a row by its sum, which is returned.
double normalise(Index classes, Real* p) {
  double sum = 0;
  for (Index k = 0; k < classes; ++k) sum += static_cast<double>(p[k]);
  const auto factor = static_cast<Real>(1 / sum);
  for (Index k = 0; k < classes; ++k) p[k] *= factor;
  return sum;
}

}  // namespace

void softmax(Index n, Index classes, const Real* x, Real* p) {
  parallel_for(n, logits_per_chunk(classes), [&](Range r) {
    exponentials(r.size(), classes, x + r.begin * classes, p + r.begin * classes, nullptr);
    for (Index e = r.begin; e < r.end; ++e) normalise(classes, p + e * classes);
  });
}

void cross_entropy(Index n, Index classes, const Real* x, const std::int32_t* labels, Real smoothing,
                   Real* loss, Real* p) {
  const double off = static_cast<double>(smoothing) / static_cast<double>(classes);
  const double on = 1 - static_cast<double>(smoothing);
  parallel_for(n, logits_per_chunk(classes), [&](Range r) {
    exponentials(r.size(), classes, x + r.begin * classes, p + r.begin * classes, loss + r.begin);
    for (Index e = r.begin; e < r.end; ++e) {
      const Real* row = x + e * classes;
      const double log_sum = static_cast<double>(loss[e]) + std::log(normalise(classes, p + e * classes));
      double total = on * (log_sum - static_cast<double>(row[labels[e]]));
      if (smoothing > 0)
        for (Index k = 0; k < classes; ++k) total += off * (log_sum - static_cast<double>(row[k]));
      loss[e] = static_cast<Real>(total);
    }
  });
}

void row_sums(Index n, Index classes, const Real* x, Real* y) {
  parallel_for(n, logits_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) {
      double sum = 0;
      for (Index k = 0; k < classes; ++k) sum += static_cast<double>(x[e * classes + k]);
      y[e] = static_cast<Real>(sum);
    }
  });
}

void spread_rows(Index n, Index classes, const Real* x, Real* y) {
  parallel_for(n, logits_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) std::fill_n(y + e * classes, classes, x[e]);
  });
}

void scale_rows(Index n, Index classes, const Real* x, const Real* factor, Real* y) {
  parallel_for(n, logits_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e)
      for (Index k = e * classes; k < (e + 1) * classes; ++k) y[k] = factor[e] * x[k];
  });
}

}  // namespace espalier::kernels
