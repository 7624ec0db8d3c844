// layer_factors.h: what a layer's gradients are made of. The gradient of a linear layer's weight for one
// example is the outer product delta a' of its output gradient and its input; a convolution's is the sum of
// such products over positions. Kept in this form they give
//   - K-FAC's factors A = E[a a'] and S = E[delta delta'] with F ~ S (x) A (Martens & Grosse 2015; for
//     convolutions Grosse & Martens 2016), and
//   - rows of G that need out + in values instead of out * in (FactoredLayer).
#pragma once

#include <vector>

#include "framework/nn/model.h"
#include "pruning/rows/fill_rows.h"

namespace espalier {

/// One layer's factors; the layer's weights are [outputs, inputs] row-major, a convolution's inputs being
/// its patch (row, column, channel). For convolutions in groups every group shares the factors' mean.
struct KroneckerFactor {
  Range columns;  ///< of the layer among the prunable weights
  Index outputs = 0, inputs = 0;
  bool has_bias = false;
  std::vector<double> a = {};     ///< [inputs, inputs] E over examples, sum over positions, of a a'
  std::vector<double> mean = {};  ///< [inputs] the same of a alone: the coupling to the layer's bias
  std::vector<double> s = {};     ///< [outputs, outputs] mean over examples and positions of delta delta'
  double positions = 1;           ///< per example: the bias' own entry of A
};

/// Sums up the factors of `layers` while G is filled.
class KroneckerTap final : public LayerTap {
 public:
  KroneckerTap(const Model& model, std::vector<ParameterId> layers);
  bool wants(ParameterId layer) const override;
  bool in_order() const override { return true; }  // sums
  void accept(ParameterId layer, Index first, const Partial& partial) override;
  /// The means, once all examples have been seen.
  std::vector<KroneckerFactor> factors() const;

 private:
  struct Geometry {
    Shape weight;
    Conv2dSpec spec;
    bool convolution = false;
  };
  std::vector<ParameterId> layers_;
  std::vector<Geometry> geometry_;
  std::vector<KroneckerFactor> sums_;
  std::vector<Index> examples_;
};

/// The rows of a linear layer as pairs (delta_n, a_n).
struct FactoredLayer {
  Range columns;
  Index outputs = 0, inputs = 0;
  Tensor a, delta;         ///< [N, inputs], [N, outputs]
  std::vector<Real> mask;  ///< of the layer's weights; empty if none is pruned
};

/// Keeps the pairs of linear layers while G is filled.
class FactoredTap final : public LayerTap {
 public:
  FactoredTap(const ParameterStore& store, std::vector<ParameterId> layers, Index examples);
  bool wants(ParameterId layer) const override;
  void accept(ParameterId layer, Index first, const Partial& partial) override;
  std::vector<FactoredLayer>& layers() { return factored_; }

 private:
  std::vector<ParameterId> ids_;
  std::vector<std::vector<char>> seen_;  // of each layer, the examples that have come
  std::vector<FactoredLayer> factored_;
};

}  // namespace espalier
