#include "pruning/explain/lesson_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/core/random.h"
#include "pruning/curvature/dense.h"
#include "pruning/curvature/products.h"
#include "pruning/rows/vector_math.h"

namespace espalier {

std::vector<Index> LessonWeights::block(std::size_t most) const {
  const auto width = static_cast<std::size_t>(per_filter);
  const auto begin = columns.begin() + static_cast<std::ptrdiff_t>(best * width);
  return {begin, begin + static_cast<std::ptrdiff_t>(std::min(most, width))};
}

LessonWeights choose_lesson_weights(const LayerView& layer, std::span<const double> diagonal, Index side,
                                    Index most_per_filter) {
  const Index filters = layer.shape[0], row = layer.columns.size() / filters;
  LessonWeights chosen{.filters = {}, .per_filter = std::min({row, most_per_filter, side}), .columns = {}};
  const auto trace = [&](Index filter, Index begin, Index count) {
    const auto from = diagonal.begin() + layer.columns.begin + filter * row + begin;
    return std::accumulate(from, from + count, 0.0);
  };
  Index best = 0;
  for (Index f = 1; f < filters; ++f)
    if (trace(f, 0, row) > trace(best, 0, row)) best = f;
  for (Index i = 1; i + chosen.per_filter <= row; ++i)
    if (trace(best, i, chosen.per_filter) > trace(best, chosen.first_input, chosen.per_filter))
      chosen.first_input = i;
  std::vector<Index> order(filters);
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return trace(a, chosen.first_input, chosen.per_filter) > trace(b, chosen.first_input, chosen.per_filter);
  });
  best = order[0];
  order.resize(std::min(filters, std::max<Index>(1, side / chosen.per_filter)));
  std::sort(order.begin(), order.end());
  chosen.best = static_cast<std::size_t>(std::find(order.begin(), order.end(), best) - order.begin());
  chosen.filters = std::move(order);
  for (const Index f : chosen.filters)
    for (Index i = 0; i < chosen.per_filter; ++i)
      chosen.columns.push_back(layer.columns.begin + f * row + chosen.first_input + i);
  return chosen;
}

std::vector<std::size_t> lesson_layers(std::size_t count, std::size_t most) {
  std::vector<std::size_t> chosen;
  const std::size_t n = std::min(count, most);
  for (std::size_t i = 0; i < n; ++i) chosen.push_back(n < 2 ? 0 : (i * (count - 1) + (n - 1) / 2) / (n - 1));
  return chosen;
}

std::vector<Index> lesson_examples(const Model& model, Index available, double multiply_adds) {
  // A row of the Hessian takes a reverse pass, about two forward passes' work; classes - 1 rows an example,
  // and one for each of the Fishers with drawn and with given labels.
  const double each = 2.0 * static_cast<double>(model.macs()) * (model.classes() + 1);
  std::vector<Index> numbers;
  for (const Index n : {10, 30, 100, 300, 1000})
    if (numbers.empty() || (n <= available && static_cast<double>(n) * each <= multiply_adds))
      numbers.push_back(std::min(n, available));
  return numbers;
}

std::vector<std::vector<LessonMatrices>> lesson_matrices(const Model& model, const Examples& examples,
                                                         std::span<const ParameterId> layers,
                                                         std::span<const std::vector<Index>> chosen,
                                                         std::span<const Index> numbers, std::uint64_t seed) {
  std::vector<std::vector<LessonMatrices>> result(layers.size(), std::vector<LessonMatrices>(numbers.size()));
  const std::vector<ParameterId> ids(layers.begin(), layers.end());
  const std::vector<Range> columns = layer_columns(model.store(), ids);
  const auto means = [&](FisherKind kind, SquareMatrix LessonMatrices::*which) {
    const CurvatureRows rows(model, examples, ids, kind, {.samples = 1, .seed = seed});
    std::vector<BlockSum> sums;
    for (const auto& c : chosen) sums.emplace_back(static_cast<Index>(c.size()));
    std::vector<Real> part;
    Index reached = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      rows.stream({reached, numbers[i]}, [&](const RowPanel& panel) {
        for (std::size_t l = 0; l < layers.size(); ++l) {
          part.clear();
          for (Index m = 0; m < panel.count; ++m)
            for (const Index q : chosen[l])
              part.push_back(panel.values[m * rows.cols() + columns[l].begin + q]);
          sums[l].add({panel.examples, panel.count, part.data()});
        }
      });
      reached = numbers[i];
      for (std::size_t l = 0; l < layers.size(); ++l) {
        result[l][i].examples = numbers[i];
        result[l][i].*which = sums[l].mean();
      }
    }
  };
  // The exact Fisher's blocks within layers are the Hessian's; those between layers are not asked for.
  means(FisherKind::exact, &LessonMatrices::hessian);
  means(FisherKind::sampled, &LessonMatrices::sampled);
  means(FisherKind::empirical, &LessonMatrices::empirical);
  return result;
}

double hessian_product_error(const Model& model, const Examples& examples, ParameterId layer,
                             std::span<const Index> chosen, const SquareMatrix& block, std::uint64_t seed) {
  const auto product = curvature_product(model, examples, {layer}, Hessian{});
  Random random(seed, Random::Use::test, {0x54});
  std::vector<double> v(product->size(), 0.0), all(v.size()), small(chosen.size()), expected(chosen.size()),
      got(chosen.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) v[chosen[i]] = small[i] = random.normal();
  product->apply(v, all);
  DenseOperator(block).apply(small, got);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    expected[i] = all[chosen[i]];
    got[i] -= expected[i];
  }
  const double length = norm(expected);
  return length > 0 ? norm(got) / length : std::numeric_limits<double>::quiet_NaN();
}

LossOnLine loss_on_line(const Model& model, const Examples& examples, WeightStudy& study,
                        std::span<const double> delta, int points) {
  LossOnLine line;
  const Prediction whole = predict(study.rows(), study.rows().mean(), delta, 0);
  line.slope = whole.linear;
  line.empirical = 2 * whole.quadratic;
  std::vector<ParameterId> moved;
  std::vector<double> v;
  for (std::size_t l = 0; l < study.layers().size(); ++l) {
    const Range r = study.layers()[l].columns;
    const auto part = delta.subspan(r.begin, r.size());
    if (std::all_of(part.begin(), part.end(), [](double x) { return x == 0; })) continue;
    moved.push_back(study.parameters()[l]);
    v.insert(v.end(), part.begin(), part.end());
  }
  if (moved.empty()) return line;
  std::vector<double> product(v.size());
  curvature_product(model, examples, moved, Hessian{})->apply(v, product);
  line.hessian = dot(v, product);
  std::vector<double> step(delta.size());
  const double before = study.loss();
  for (int i = 0; i <= points; ++i) {
    const double t = static_cast<double>(i) / points;
    std::transform(delta.begin(), delta.end(), step.begin(), [t](double x) { return t * x; });
    line.t.push_back(t);
    line.measured.push_back(i == 0 ? 0 : study.loss(step) - before);
  }
  return line;
}

}  // namespace espalier
