// curvature.h: small networks with their examples, and their curvature matrices formed naively in one batch:
// the references of the curvature tests.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "framework/autograd/backward.h"
#include "framework/autograd/second_order.h"
#include "framework/data/examples.h"
#include "framework/graph/builder.h"
#include "framework/nn/model.h"
#include "pruning/curvature/dense.h"
#include "tests/support/arrays.h"

namespace espalier::test {

/// Examples that are given as tensors.
struct TensorExamples final : Examples {
  Tensor images;  ///< [n, h, w, c]
  std::vector<std::int32_t> labels;
  TensorExamples(Tensor x, std::vector<std::int32_t> y) : images(std::move(x)), labels(std::move(y)) {}
  Index size() const override { return static_cast<Index>(labels.size()); }
  static std::vector<Index> numbers(Range range) {
    std::vector<Index> all(range.size());
    std::iota(all.begin(), all.end(), range.begin);
    return all;
  }
  void load(Range range, Batch& batch) const override {
    batch.images = images.slice(range);
    batch.labels.assign(labels.begin() + range.begin, labels.begin() + range.end);
    batch.examples = numbers(range);
  }
};

inline TensorExamples random_examples(Index n, const Shape& image, int classes, std::uint64_t seed) {
  const Shape shape{n, image[0], image[1], image[2]};
  Random random(seed, Random::Use::test, {1});
  std::vector<std::int32_t> labels;
  for (Index i = 0; i < n; ++i)
    labels.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(classes))));
  return {Tensor::from(shape, normal_values(shape.size(), seed)), std::move(labels)};
}

inline void set_values(Model& model, ParameterId id, std::span<const Real> values) {
  const Range r = model.store().infos()[id].range;
  std::copy(values.begin(), values.end(), model.store().values().begin() + r.begin);
}

/// A network of linear layers without biases, ReLU between them; `widths` from inputs to classes. Its weights
/// are the parameters 0, 1, ...
inline std::unique_ptr<Model> mlp(const std::vector<Index>& widths, std::uint64_t seed = 1) {
  GraphBuilder net({1, 1, widths.front()});
  net.add("flatten", FlattenOp());
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    if (i > 0) net.add(fmt::format("relu{}", i), ActivationOp(Activation::Kind::relu));
    net.add(std::to_string(i), LinearOp({.out = widths[i + 1], .bias = false}));
  }
  return std::make_unique<Model>(net.finish(), static_cast<int>(widths.back()), seed);
}

/// Values that no initialisation leaves at zero, and statistics that are none of a fresh network.
inline std::unique_ptr<Model> stirred(std::unique_ptr<Model> model, std::uint64_t seed) {
  const std::vector<Real> noise = normal_values(model->store().size(), seed + 1);
  for (std::size_t i = 0; i < noise.size(); ++i) model->store().values()[i] += Real(0.1) * noise[i];
  Random random(seed, Random::Use::test, {2});
  for (Real& s : model->store().statistics()) s = static_cast<Real>(random.uniform(0.5, 1.5));
  return model;
}

/// Every kind of layer with weights, on 6x6 images of 2 channels and 3 classes: convolutions with stride and
/// bias, batch norm with statistics of its own, a residual block, both poolings.
inline std::unique_ptr<Model> conv_net(std::uint64_t seed = 3) {
  const ActivationOp relu(Activation::Kind::relu);
  GraphBuilder net({6, 6, 2});
  net.add("conv1", ConvOp({.out = 3, .kernel = 3, .pad = 1}));
  net.add("bn1", BatchNormOp());
  const ValueId x = net.add("relu1", relu);
  net.add("conv2", ConvOp({.out = 3, .kernel = 3, .pad = 1, .bias = false}));
  net.add("sum", AddOp(), {net.last(), x});
  net.add("relu2", relu);
  net.add("pool1", MaxPoolOp(2, 2));
  net.add("conv3", ConvOp({.out = 4, .kernel = 2}));
  net.add("relu3", relu);
  net.add("pool2", AveragePoolOp(2, 1));
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 3}));
  return stirred(std::make_unique<Model>(net.finish(), 3, seed), seed);
}

/// Branches that share a value, a concatenation of more than four values, a factor per channel, several
/// activations: what no list of layers can say. The same images and classes as conv_net().
inline std::unique_ptr<Model> branching_net(std::uint64_t seed = 5) {
  using Kind = Activation::Kind;
  GraphBuilder net({6, 6, 2});
  const ValueId stem = net.add("stem", ConvOp({.out = 3, .kernel = 3, .stride = 2, .pad = 1}));
  const ValueId x = net.add("tanh", ActivationOp(Kind::tanh));
  std::vector<ValueId> parts{x, stem};
  for (const Index kernel : {1, 3, 3}) {
    const std::string name = fmt::format("branch{}", parts.size());
    ConvOp conv({.out = 2, .kernel = kernel, .pad = kernel / 2, .bias = false});
    if (parts.size() == 4) conv.kernel_h = 1, conv.pad_top = conv.pad_bottom = 0;  // 1 x 3
    net.add(name + ".conv", conv, {x});
    net.add(name + ".bn", BatchNormOp());
    parts.push_back(net.add(name + ".silu", ActivationOp(Kind::silu)));
  }
  const ValueId all = net.add("all", ConcatOp(), parts);
  net.add("squeeze", GlobalAveragePoolOp());
  net.add("gate", LinearOp({.out = net.shape(all)[2]}));
  const ValueId gate = net.add("sigmoid", ActivationOp(Kind::sigmoid));
  net.add("gated", MulOp(), {all, gate});
  const ValueId narrow = net.add("mix", ConvOp({.out = 3, .kernel = 1}));
  net.add("sum", AddOp(), {narrow, stem, x});
  net.add("gelu", ActivationOp(Kind::gelu));
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 3}));
  return stirred(std::make_unique<Model>(net.finish(), 3, seed), seed);
}

inline std::vector<ParameterId> weights_of(const Model& model) {
  std::vector<ParameterId> ids;
  for (std::size_t i = 0; i < model.store().infos().size(); ++i)
    if (model.store().infos()[i].role == Role::weight) ids.push_back(static_cast<ParameterId>(i));
  return ids;
}

/// The whole batch in one graph.
inline Var logits_of(const Model& model, const TensorExamples& examples) {
  Pass pass;
  return model.forward(examples.images, pass);
}

/// The mean of a summed block, in float64.
inline std::vector<double> mean_of(const Tensor& block, Index examples) {
  std::vector<double> m;
  for (const Real v : block.values()) m.push_back(static_cast<double>(v) / static_cast<double>(examples));
  return m;
}

/// The block, and its diagonal, that a stream of rows adds up to.
inline SquareMatrix curvature_block(const CurvatureRows& rows) {
  BlockSum sum(rows.cols());
  rows.stream([&](const RowPanel& panel) { sum.add(panel); });
  return sum.mean();
}
inline std::vector<double> curvature_diagonal(const CurvatureRows& rows) {
  DiagonalSum sum(rows.cols());
  rows.stream([&](const RowPanel& panel) { sum.add(panel); });
  return sum.mean();
}

/// (1/N) sum_n g_n g_n' over `layers`, example by example through grad().
inline SquareMatrix naive_outer_products(const Model& model, const TensorExamples& examples,
                                         const std::vector<ParameterId>& layers,
                                         const std::vector<std::int32_t>& labels) {
  std::vector<Var> parameters;
  for (const ParameterId id : layers) parameters.push_back(model.store().var(id));
  SquareMatrix m(layer_columns(model.store(), layers).back().end);
  for (Index n = 0; n < examples.size(); ++n) {
    Pass pass;
    const Var loss = cross_entropy(model.forward(examples.images.slice({n, n + 1}), pass),
                                   std::span(labels).subspan(n, 1));
    std::vector<double> g;
    for (const Var& part : grad(loss, parameters))
      for (const Real v : part.value().values()) g.push_back(static_cast<double>(v));
    for (Index i = 0; i < m.size; ++i)
      for (Index j = 0; j < m.size; ++j) m(i, j) += g[i] * g[j] / static_cast<double>(examples.size());
  }
  return m;
}

/// Largest |a - b| as a share of the largest |b|.
inline double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 1e-300;
  for (const double v : b) largest = std::max(largest, std::abs(v));
  return largest_difference(a, b) / largest;
}

/// The matrix of an operator, column by column.
inline SquareMatrix dense(const CurvatureOperator& a) {
  SquareMatrix m(a.size());
  std::vector<double> unit(m.size, 0.0), out(unit.size());
  for (Index q = 0; q < m.size; ++q) {
    unit[q] = 1;
    a.apply(unit, out);
    for (Index i = 0; i < m.size; ++i) m(i, q) = out[i];
    unit[q] = 0;
  }
  return m;
}

/// Rows [r], columns [c] of a matrix.
inline std::vector<double> part_of(const SquareMatrix& m, Range r, Range c) {
  std::vector<double> v;
  for (Index i = r.begin; i < r.end; ++i)
    for (Index j = c.begin; j < c.end; ++j) v.push_back(m(i, j));
  return v;
}

}  // namespace espalier::test
