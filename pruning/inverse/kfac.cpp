// kfac.cpp: K-FAC. Each layer's Fisher is taken as a Kronecker product S (x) A of the output gradients' and
// the inputs' second moments (Martens & Grosse 2015; convolutions: Grosse & Martens 2016), dampened by
//   A + sqrt(damp pi) I,  S + sqrt(damp / pi) I,   pi = (tr A / dim A) / (tr S / dim S)  or 1,
// so F^-1 = S^-1 (x) A^-1, and only matrices of the layers' widths are ever inverted. Weights that are
// already pruned stay in the product: their own removal costs nothing, but the others do not know that they
// are gone (update "joint" does).
#include <cmath>

#include "framework/kernels/gemm.h"
#include "pruning/inverse/inverse.h"
#include "pruning/rows/layer_factors.h"

namespace espalier {
namespace {

using kernels::Transpose;

/// M + damp I inverted, in place; M is [n, n] and symmetric.
void invert(std::vector<double>& m, Index n, double damp, Range columns) {
  const auto at = [n](Index i, Index j) { return static_cast<std::size_t>(i * n + j); };
  for (Index i = 0; i < n; ++i) m[at(i, i)] += damp;
  if (const int minor = kernels::cholesky(n, m.data(), n); minor != 0)
    fail(ExitCode::numeric,
         "pruning: a K-FAC factor of weights {}..{} with dampening {:g} is "
         "not positive definite in float64 (minor {} of {}); raise prune.damp",
         columns.begin, columns.end, damp, minor, n);
  std::vector<double> identity(m.size(), 0.0);
  for (Index i = 0; i < n; ++i) identity[at(i, i)] = 1;
  kernels::triangular_solve(Transpose::no, n, n, m.data(), n, identity.data(), n);
  kernels::triangular_solve(Transpose::yes, n, n, m.data(), n, identity.data(), n);
  m = std::move(identity);
}

double mean_of_diagonal(const std::vector<double>& m, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += m[i * n + i];
  return sum / static_cast<double>(n);
}

struct Layer {
  Range columns;
  Index outputs, inputs;
  std::vector<double> a, s;  ///< inverses
  double entry(Index p, Index q) const {
    return s[p / inputs * outputs + q / inputs] * a[p % inputs * inputs + q % inputs];
  }
};

class KfacInverse final : public FisherInverse {
 public:
  KfacInverse(std::span<const KroneckerFactor> factors, double damp, bool use_pi, bool free_bias, Index size)
      : diagonal_(static_cast<std::size_t>(size)) {
    for (const KroneckerFactor& f : factors) {
      Layer layer{f.columns, f.outputs, f.inputs, f.a, f.s};
      Index width = f.inputs;
      if (free_bias && f.has_bias) {  // the bias is one more input that is always 1
        ++width;
        layer.a.assign(width * width, f.positions);
        for (Index i = 0; i < f.inputs; ++i) {
          for (Index j = 0; j < f.inputs; ++j) layer.a[i * width + j] = f.a[i * f.inputs + j];
          layer.a[i * width + f.inputs] = layer.a[f.inputs * width + i] = f.mean[i];
        }
      }
      const double of_a = mean_of_diagonal(layer.a, width), of_s = mean_of_diagonal(layer.s, f.outputs);
      const double pi = use_pi && of_a > 0 && of_s > 0 ? of_a / of_s : 1;
      invert(layer.a, width, std::sqrt(damp * pi), f.columns);
      invert(layer.s, f.outputs, std::sqrt(damp / pi), f.columns);
      for (Index i = 0; width > f.inputs && i < f.inputs; ++i)  // the weights' part
        for (Index j = 0; j < f.inputs; ++j) layer.a[i * f.inputs + j] = layer.a[i * width + j];
      for (Index q = 0; q < f.columns.size(); ++q) diagonal_[f.columns.begin + q] = layer.entry(q, q);
      layers_.push_back(std::move(layer));
    }
  }
  Index size() const override { return static_cast<Index>(diagonal_.size()); }
  std::span<const double> diagonal() const override { return diagonal_; }
  void apply(std::span<const double> v, std::span<double> out) const override {
    std::vector<double> half;
    for (const Layer& l : layers_) {  // S^-1 V A^-1
      half.resize(l.columns.size());
      kernels::gemm(Transpose::no, Transpose::no, l.outputs, l.inputs, l.inputs, 1,
                    v.data() + l.columns.begin, l.inputs, l.a.data(), l.inputs, 0.0, half.data(), l.inputs);
      kernels::gemm(Transpose::no, Transpose::no, l.outputs, l.inputs, l.outputs, 1, l.s.data(), l.outputs,
                    half.data(), l.inputs, 0.0, out.data() + l.columns.begin, l.inputs);
    }
  }
  std::vector<double> submatrix(std::span<const Index> indices) const override {
    std::vector<double> result;
    for (const Index p : indices)
      for (const Index q : indices) {
        const Layer* layer = nullptr;
        for (const Layer& l : layers_)
          if (p >= l.columns.begin && p < l.columns.end && q >= l.columns.begin && q < l.columns.end)
            layer = &l;
        result.push_back(layer ? layer->entry(p - layer->columns.begin, q - layer->columns.begin) : 0);
      }
    return result;
  }

 private:
  std::vector<Layer> layers_;
  std::vector<double> diagonal_;
};

struct KfacSettings final : InverseSettings {
  bool use_pi = true, free_biases = false;
  void fields(Fields& f) override {
    f("pi", use_pi, "split the dampening between the two factors by their mean eigenvalues; false: evenly");
    f("free_biases", free_biases,
      "let biases move with the weights: each layer's inputs get a 1 appended, "
      "and F^-1 is its weights' part; false: biases stay where they are");
  }
  bool needs_kronecker() const override { return true; }
  bool fits_subsets() const override { return false; }
  std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range>,
                                       double damp) const override {
    if (!(damp > 0)) fail(ExitCode::config, "prune.damp is {:g}; it must be greater than 0", damp);
    require(!rows.kronecker().empty(), "[kfac] the rows carry no Kronecker factors");
    return std::make_unique<KfacInverse>(rows.kronecker(), damp, use_pi, free_biases, rows.cols());
  }
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return {layers.begin(), layers.end()};
  }
  /// The factors' sizes are not known here; a layer of c weights that is square has two of c values.
  double memory(Index, std::span<const Range> layers) const override {
    double bytes = 0;
    for (const Range l : layers) bytes += 4 * 8.0 * static_cast<double>(l.size());
    return bytes;
  }
};

const bool kfac_known = Registry<InverseSettings>::add<KfacSettings>(
    "kfac", "Kronecker factors of every layer's inputs and output gradients");

}  // namespace
}  // namespace espalier
