// softmax.cpp: rows are short (classes), so the loops stay simple; float64 inside a row.
#include "framework/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"

namespace espalier::kernels {
namespace {

Index rows_per_chunk(Index classes) { return std::max<Index>(1, 4096 / std::max<Index>(classes, 1)); }

/// Writes softmax(x) and returns log(sum exp(x)).
double softmax_row(Index classes, const Real* x, Real* p) {
  Real top = x[0];
  for (Index k = 1; k < classes; ++k) top = std::max(top, x[k]);
  double sum = 0;
  for (Index k = 0; k < classes; ++k) {
    p[k] = std::exp(x[k] - top);
    sum += static_cast<double>(p[k]);
  }
  const auto factor = static_cast<Real>(1 / sum);
  for (Index k = 0; k < classes; ++k) p[k] *= factor;
  return static_cast<double>(top) + std::log(sum);
}

}  // namespace

void softmax(Index n, Index classes, const Real* x, Real* p) {
  parallel_for(n, rows_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) softmax_row(classes, x + e * classes, p + e * classes);
  });
}

void cross_entropy(Index n, Index classes, const Real* x, const std::int32_t* labels, Real smoothing,
                   Real* loss, Real* p) {
  const double off = static_cast<double>(smoothing) / static_cast<double>(classes);
  const double on = 1 - static_cast<double>(smoothing);
  parallel_for(n, rows_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) {
      const Real* row = x + e * classes;
      const double log_sum = softmax_row(classes, row, p + e * classes);
      double total = on * (log_sum - static_cast<double>(row[labels[e]]));
      if (smoothing > 0)
        for (Index k = 0; k < classes; ++k) total += off * (log_sum - static_cast<double>(row[k]));
      loss[e] = static_cast<Real>(total);
    }
  });
}

void row_sums(Index n, Index classes, const Real* x, Real* y) {
  parallel_for(n, rows_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) {
      double sum = 0;
      for (Index k = 0; k < classes; ++k) sum += static_cast<double>(x[e * classes + k]);
      y[e] = static_cast<Real>(sum);
    }
  });
}

void spread_rows(Index n, Index classes, const Real* x, Real* y) {
  parallel_for(n, rows_per_chunk(classes), [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) std::fill_n(y + e * classes, classes, x[e]);
  });
}

}  // namespace espalier::kernels
