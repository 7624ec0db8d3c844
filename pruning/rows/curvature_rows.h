// curvature_rows.h: one layer's block (or that of several layers) of a curvature matrix as R'R / N, with a
// few rows R for each example, streamed: they are never held all at once.
//
//   empirical Fisher     1 row: g_n
//   sampled Fisher       `samples` rows: the gradients with labels drawn from the model, / sqrt(samples)
//   exact Fisher         classes - 1 rows: S_n' J_n with S_n S_n' = diag(p_n) - p_n p_n', J_n = dlogits/dw
//   Hessian              the same rows, by the layer-block identity: exact for ONE layer if all other layers
//                        are piecewise linear (mathematics.md section 2), which holds for every layer this
//                        program has. Between two layers it does not hold: see products.h.
//
// Rows of all examples of a micro-batch come from one forward
// pass and as many reverse passes as there are rows for each.
#pragma once

#include "framework/core/parallel.h"
#include "framework/data/examples.h"
#include "pruning/rows/curvature.h"
#include "pruning/rows/labels.h"

namespace espalier {

/// Some rows of R: those of the examples `examples`.
struct RowPanel {
  Range examples;
  Index count;         ///< rows, in an order that is a function of the examples alone
  const Real* values;  ///< [count, cols], row-major
};

class CurvatureRows {
 public:
  /// `columns`: which of the layers' weights (empty range: all), so that a part of a large block can be had.
  /// Throws Error(internal) if `kind` is Hessian and `layers` are several, or if it is centred.
  CurvatureRows(const Model& model, const Examples& examples, std::vector<ParameterId> layers,
                CurvatureKind kind, LabelDraw labels = {}, Range columns = {});

  Index cols() const { return columns_.size(); }
  Index examples() const { return examples_.size(); }
  Index rows_per_example() const { return per_example_; }
  /// Calls `use` with the rows of examples `range`, panel after panel, in order. Panels are at most
  /// panel_bytes() large.
  void stream(Range range, FunctionRef<void(const RowPanel&)> use) const;
  void stream(FunctionRef<void(const RowPanel&)> use) const { stream({0, examples()}, use); }
  Index examples_per_panel() const;
  double panel_bytes() const;

 private:
  bool is(FisherKind kind) const { return kind_ == CurvatureKind(kind); }
  /// Gradients of the logits that row r of each example stems from, [rows_per_example][n, classes].
  std::vector<Tensor> seeds(const Tensor& logits, const Batch& batch) const;

  const Model& model_;
  const Examples& examples_;
  std::vector<ParameterId> layers_;
  CurvatureKind kind_;
  LabelDraw labels_;
  Range columns_;
  Index per_example_;
};

/// Column c of the Cholesky factor of diag(p) - p p' (p of k probabilities), out[k]; c < k - 1, the last
/// column is zero. In closed form, with sums of the tail and no subtraction: s_c = p_c + ... + p_{k-1},
/// L_cc = sqrt(p_c s_{c+1} / s_c), L_ic = -p_i sqrt(p_c / (s_c s_{c+1})) for i > c.
void softmax_root(std::span<const double> p, Index c, std::span<double> out);

}  // namespace espalier
