// dense_kernels.cpp: every op by the kernels that training uses too, on weights prepared once.
#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "framework/graph/ops.h"
#include "framework/infer/step_kernel.h"
#include "framework/kernels/batch_norm.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/linear.h"
#include "framework/kernels/pool2d.h"

namespace espalier {
namespace {

/// An activation that a kernel which knows ReLU alone did not apply itself, to what it has just written.
void finish(const Activation& f, Index n, Real* y) {
  if (f && !f.is_relu()) kernels::activate(f, n, y, y);
}
/// The same of kernels that take a Finish.
kernels::Finish finish_of(const Activation& f) { return fused(f).value_or(kernels::Finish()); }
void finish_others(const Activation& f, Index n, Real* y) {
  if (!fused(f)) kernels::activate(f, n, y, y);
}

const Tensor& parameter(const Graph& graph, const Step& step, const Weights& weights, std::size_t i) {
  return weights.at(graph.parameters[step.parameters[i]].name);
}
const Real* bias_of(const Graph& graph, const Step& step, const Weights& weights) {
  return step.parameters.size() > 1 ? parameter(graph, step, weights, 1).data() : nullptr;
}

struct Conv final : StepKernel {
  kernels::PackedConv2d conv;
  Activation function;
  Conv(const ConvOp& op, const Graph& graph, const Step& step, const Weights& weights)
      : conv(op.geometry(graph.shape(step.inputs[0])), parameter(graph, step, weights, 0).data(),
             bias_of(graph, step, weights)),
        function(op.joined_activation) {}
  void run(const StepData& d) const override {
    conv.run(d.examples, d.inputs[0], finish_of(function), d.output);
    finish_others(function, conv.geometry().output(d.examples).size(), d.output);
  }
  std::string name() const override { return kernels::conv2d_way(conv.geometry()); }
};

struct Linear final : StepKernel {
  kernels::PackedLinear linear;
  Index out;
  Activation function;
  Linear(const LinearOp& op, const Graph& graph, const Step& step, const Weights& weights)
      : linear(graph.shape(step.inputs[0]).size(), op.out, parameter(graph, step, weights, 0).data(),
               bias_of(graph, step, weights)),
        out(op.out),
        function(op.joined_activation) {}
  void run(const StepData& d) const override {
    linear.run(d.examples, d.inputs[0], finish_of(function), d.output);
    finish_others(function, d.examples * out, d.output);
  }
  std::string name() const override { return "tiles"; }
};

struct BatchNorm final : StepKernel {
  Index rows, channels;  // of one example
  std::vector<Real> factor, shift;
  Activation function;
  BatchNorm(const BatchNormOp& op, const Graph& graph, const Step& step, const Weights& weights)
      : channels(graph.shape(step.output)[-1]), function(op.joined_activation) {
    rows = graph.shape(step.output).size() / channels;
    const Tensor &gamma = parameter(graph, step, weights, 0), &beta = parameter(graph, step, weights, 1);
    const Tensor &mean = weights.at(graph.statistics[step.statistics[0]].name),
                 &variance = weights.at(graph.statistics[step.statistics[1]].name);
    for (Index c = 0; c < channels; ++c) {
      const double deviation = std::sqrt(static_cast<double>(variance.data()[c]) + op.epsilon);
      factor.push_back(gamma.data()[c] * static_cast<Real>(1 / deviation));
      shift.push_back(beta.data()[c] - mean.data()[c] * factor.back());
    }
  }
  void run(const StepData& d) const override {
    kernels::channel_affine(d.examples * rows, channels, d.inputs[0], factor.data(), shift.data(), nullptr,
                            finish_of(function), d.output);
    finish_others(function, d.examples * rows * channels, d.output);
  }
  bool in_place() const override { return true; }
  std::string name() const override { return "affine"; }
};

struct Elementwise final : StepKernel {
  Activation function;
  Index size;
  Elementwise(const Activation& f, Index values) : function(f), size(values) {}
  void run(const StepData& d) const override {
    kernels::activate(function, d.examples * size, d.inputs[0], d.output);
  }
  bool in_place() const override { return true; }
  std::string name() const override { return "elementwise"; }
};

struct Add final : StepKernel {
  Activation function;
  Index size;
  Add(const AddOp& op, Index values) : function(op.joined_activation), size(values) {}
  void run(const StepData& d) const override {
    const Index n = d.examples * size;
    const Real* sum = d.inputs[0];
    for (std::size_t i = 1; i < d.inputs.size(); ++i) {
      const bool rectified = i + 1 == d.inputs.size() && function.is_relu();
      (rectified ? kernels::add_relu : kernels::add)(n, sum, d.inputs[i], d.output);
      sum = d.output;
    }
    finish(function, n, d.output);
  }
  bool in_place() const override { return true; }
  std::string name() const override { return "elementwise"; }
};

struct Pool final : StepKernel {
  PoolGeometry g;
  bool maximum;
  Activation function;
  Pool(const PoolGeometry& geometry, bool max, const Activation& f)
      : g(geometry), maximum(max), function(f) {}
  void run(const StepData& d) const override {
    if (maximum)
      kernels::max_pool(g, d.examples, d.inputs[0], function.is_relu(), d.output, nullptr);
    else
      kernels::average_pool(g, d.examples, d.inputs[0], d.output);
    finish(function, g.output(d.examples).size(), d.output);
  }
  std::string name() const override { return "windows"; }
};

struct GlobalAveragePool final : StepKernel {
  Index pixels, channels;
  explicit GlobalAveragePool(const Shape& image) : pixels(image[0] * image[1]), channels(image[2]) {}
  void run(const StepData& d) const override {
    kernels::global_average(d.examples, pixels, channels, d.inputs[0], d.output);
  }
  std::string name() const override { return "sums"; }
};

struct Flatten final : StepKernel {
  Index pixels, channels;
  explicit Flatten(const Shape& image) : pixels(image[0] * image[1]), channels(image[2]) {}
  void run(const StepData& d) const override {
    const Index size = pixels * channels;
    if (pixels == 1 || channels == 1) return std::copy_n(d.inputs[0], d.examples * size, d.output), void();
    for (Index e = 0; e < d.examples; ++e)
      kernels::instruction_set().transpose(channels, pixels, d.inputs[0] + e * size, channels,
                                           d.output + e * size, pixels);
  }
  std::string name() const override { return "transpose"; }
};

/// Any op, by its autograd function on constants.
struct ByTape final : StepKernel {
  std::shared_ptr<const Op> op;
  std::string step_name;
  std::vector<Var> parameters;
  std::vector<Tensor> statistics;
  std::vector<Shape> shapes;  // of one example
  ByTape(const Graph& graph, const Step& step, const Weights& weights)
      : op(step.op), step_name(step.name), shapes(graph.shapes(step)) {
    for (const int p : step.parameters) parameters.emplace_back(weights.at(graph.parameters[p].name).clone());
    for (const int s : step.statistics) statistics.push_back(weights.at(graph.statistics[s].name).clone());
  }
  void run(const StepData& d) const override {
    const Recording off(false);
    std::vector<Var> inputs;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Shape& s = shapes[i];
      const Shape batch = s.rank() == 1 ? Shape{d.examples, s[0]} : Shape{d.examples, s[0], s[1], s[2]};
      // A view without an owner: ops read their inputs and do not keep them.
      inputs.emplace_back(Tensor::view(
          batch, std::shared_ptr<Real>(std::shared_ptr<void>(), const_cast<Real*>(d.inputs[i]))));
    }
    Pass evaluation;
    const Tensor y = op->apply(inputs, {step_name, parameters, statistics}, evaluation).value();
    std::copy_n(y.data(), y.size(), d.output);
  }
  std::string name() const override { return "by the tape"; }
};

}  // namespace

std::unique_ptr<StepKernel> dense_kernel(const Graph& graph, const Step& step, const Weights& weights) {
  const Op* op = step.op.get();
  const Shape &in = graph.shape(step.inputs[0]), &out = graph.shape(step.output);
  if (const auto* conv = dynamic_cast<const ConvOp*>(op))
    return std::make_unique<Conv>(*conv, graph, step, weights);
  if (const auto* linear = dynamic_cast<const LinearOp*>(op))
    return std::make_unique<Linear>(*linear, graph, step, weights);
  if (const auto* norm = dynamic_cast<const BatchNormOp*>(op))
    return std::make_unique<BatchNorm>(*norm, graph, step, weights);
  if (const auto* function = dynamic_cast<const ActivationOp*>(op))
    return std::make_unique<Elementwise>(function->function, out.size());
  if (const auto* add = dynamic_cast<const AddOp*>(op)) return std::make_unique<Add>(*add, out.size());
  if (const auto* pool = dynamic_cast<const MaxPoolOp*>(op))
    return std::make_unique<Pool>(pool->pool.geometry(in), true, pool->joined_activation);
  if (const auto* pool = dynamic_cast<const AveragePoolOp*>(op))
    return std::make_unique<Pool>(pool->pool.geometry(in), false, Activation());
  if (dynamic_cast<const GlobalAveragePoolOp*>(op)) return std::make_unique<GlobalAveragePool>(in);
  if (dynamic_cast<const FlattenOp*>(op) && in.rank() == 3) return std::make_unique<Flatten>(in);
  return std::make_unique<ByTape>(graph, step, weights);
}

}  // namespace espalier
