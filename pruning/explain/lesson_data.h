// lesson_data.h: what the report's lesson (its "visual tour") shows of a network:
// for a few layers the Hessian and the Fishers of some of their weights as examples
// are added, and for a whole filter the loss on the way to its removal. Small and
// cheap by choice of weights and examples: no block of a whole layer is formed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pruning/explain/one_weight.h"
#include "pruning/rows/curvature.h"

namespace espalier {

/// The weights of a layer that are shown: a window of consecutive inputs, the same for several filters (rows
/// of a linear layer). Those filters are the ones with the largest trace of the Fisher in the window, which
/// lies where the first of them has the largest.
struct LessonWeights {
  std::vector<Index> filters;  ///< ascending
  Index per_filter = 0;        ///< width of the window
  Index first_input = 0;       ///< its first weight within a filter
  std::vector<Index> columns;  ///< filter by filter, counted as LayerView::columns
  std::size_t best = 0;        ///< which of `filters` has the largest trace
  /// The first `most` weights of the best filter's window.
  std::vector<Index> block(std::size_t most) const;
};
/// At most `side` weights, at most `most_per_filter` of a filter; `diagonal` of the Fisher, over all columns.
LessonWeights choose_lesson_weights(const LayerView& layer, std::span<const double> diagonal,
                                    Index side = 128, Index most_per_filter = 32);

/// Which of `count` layers are shown: the first, the last, and of the others evenly, `most` in all.
std::vector<std::size_t> lesson_layers(std::size_t count, std::size_t most = 4);

/// Numbers of examples: of 10, 30, 100, 300, 1000 those that cost at most `multiply_adds` in all (at least
/// the first) and that the training set has.
std::vector<Index> lesson_examples(const Model& model, Index available, double multiply_adds);

/// The matrices over the chosen weights of one layer.
struct LessonMatrices {
  Index examples = 0;
  SquareMatrix hessian;    ///< = the exact Fisher (mathematics.md section 2)
  SquareMatrix sampled;    ///< Fisher with one label drawn for each example
  SquareMatrix empirical;  ///< labels of the data
};
/// result[l][i]: of layers[l]'s columns `chosen[l]` (within the layer), means over the first numbers[i]
/// examples. One stream of rows serves all layers.
std::vector<std::vector<LessonMatrices>> lesson_matrices(const Model& model, const Examples& examples,
                                                         std::span<const ParameterId> layers,
                                                         std::span<const std::vector<Index>> chosen,
                                                         std::span<const Index> numbers, std::uint64_t seed);

/// |H v - B v| / |H v| over the chosen weights, v random there and zero elsewhere, H v a Hessian-vector
/// product over `examples`: whether B is the Hessian. NaN if H v is zero.
double hessian_product_error(const Model& model, const Examples& examples, ParameterId layer,
                             std::span<const Index> chosen, const SquareMatrix& block, std::uint64_t seed);

/// The loss on the straight line from w to w + delta, and what the quadratic model takes for it.
struct LossOnLine {
  std::vector<double> t, measured;    ///< loss change at w + t delta
  double slope = 0;                   ///< g'delta
  double hessian = 0, empirical = 0;  ///< delta' H delta and delta' F delta, undamped
};
/// At `points` + 1 even t from 0 to 1. `delta` moves the weights of study.parameters(); H is over the layers
/// it moves, F the study's own.
LossOnLine loss_on_line(const Model& model, const Examples& examples, WeightStudy& study,
                        std::span<const double> delta, int points);

}  // namespace espalier
