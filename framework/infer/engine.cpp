#include "framework/infer/engine.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/graph/passes.h"
#include "framework/kernels/scratch.h"

namespace espalier {
namespace {

Shape batch_of(Index n, const Shape& example) {
  if (example.rank() == 1) return {n, example[0]};
  return {n, example[0], example[1], example[2]};
}

}  // namespace

Engine::Engine(const Graph& graph, const Weights& weights, const PlanOptions& options) {
  check_weights(graph, weights);
  auto [folded, own] = fold_batch_norm(drop_identities(graph), weights);
  graph_ = join_activations(folded, Joined::all);
  std::vector<bool> in_place;
  for (const Step& step : graph_.steps) {
    std::unique_ptr<StepKernel> kernel;
    for (const KernelMaker& maker : options.kernels)
      if (!kernel) kernel = maker(graph_, step, own);
    if (!kernel) kernel = dense_kernel(graph_, step, own);
    in_place.push_back(kernel->in_place());
    together_ = std::max(together_, kernel->together());
    most_inputs_ = std::max(most_inputs_, static_cast<Index>(step.inputs.size()));
    kernels_.push_back(std::move(kernel));
  }
  buffers_ = plan_buffers(graph_, in_place);
  for (const StepCost& cost : count(graph_)) macs_ += cost.macs, weights_ += cost.parameters;
  for (const Value& value : graph_.values) largest_ = std::max(largest_, value.shape.size());
}

Index Engine::examples_per_part(Index n) const {
  // What is in use at a time within 1 MiB, at least 8 examples; but at least 20 microseconds of work, and
  // four parts of what would fit a cache as a whole.
  constexpr Index cached = (Index{1} << 20) / static_cast<Index>(sizeof(Real)), work = Index{1} << 20;
  const Index in_cache = std::max<Index>(8, cached / largest_), worth = work / std::max<Index>(macs_, 1);
  // Weights that fit no cache are read again for every part: then one for each thread.
  constexpr Index large = Index{4} << 20;
  const Index parts = weights_ < large ? 4 : threads();
  const Index part = std::min(in_cache, std::max<Index>({worth, (n + parts - 1) / parts, 1}));
  return (part + together_ - 1) / together_ * together_;
}

void Engine::run(const Tensor& input, std::span<Tensor> outputs) const {
  const Shape& example = graph_.shape(graph_.input);
  const Index n = input.shape()[0];
  require(input.shape() == batch_of(n, example), "[engine] takes inputs [n, ..] of {}, got {}", example,
          input.shape());
  require(outputs.size() == graph_.outputs.size(), "[engine] the graph has {} outputs, room is given for {}",
          graph_.outputs.size(), outputs.size());
  for (std::size_t o = 0; o < outputs.size(); ++o)
    require(outputs[o].shape() == batch_of(n, graph_.shape(graph_.outputs[o])),
            "[engine] output '{}' needs a tensor of {}, got {}", graph_.value(graph_.outputs[o]).name,
            batch_of(n, graph_.shape(graph_.outputs[o])), outputs[o].shape());
  const Index part = examples_per_part(n);
  const auto run_examples = [&](Range examples) { run_part(examples, input, outputs); };
  if (n <= part)
    run_examples({0, n});
  else
    parallel_for(n, part, run_examples);
}

Tensor Engine::operator()(const Tensor& input) const {
  Tensor output = Tensor::uninitialized(batch_of(input.shape()[0], graph_.shape(graph_.outputs[0])));
  run(input, output);
  return output;
}

void Engine::run_part(Range examples, const Tensor& input, std::span<Tensor> outputs) const {
  const Index n = examples.size();
  kernels::Scratch<Real> block(buffers_.size * n);
  kernels::Scratch<const Real*> inputs(most_inputs_);
  const auto output = [&](std::size_t o) {
    return outputs[o].data() + examples.begin * outputs[o].shape().example_size();
  };
  const auto place = [&](ValueId id) -> Real* {
    if (buffers_.offsets[id] >= 0) return block.data() + buffers_.offsets[id] * n;
    return output(std::find(graph_.outputs.begin(), graph_.outputs.end(), id) - graph_.outputs.begin());
  };
  const auto read = [&](ValueId id) {
    return id == graph_.input ? input.example(examples.begin) : place(id);
  };
  for (std::size_t s = 0; s < graph_.steps.size(); ++s) {
    const Step& step = graph_.steps[s];
    for (std::size_t i = 0; i < step.inputs.size(); ++i) inputs.data()[i] = read(step.inputs[i]);
    kernels_[s]->run({n, {inputs.data(), step.inputs.size()}, place(step.output)});
  }
  for (std::size_t o = 0; o < outputs.size(); ++o)  // an output that is the input, or that is named twice
    if (const Real* made = read(graph_.outputs[o]); made != output(o))
      std::copy_n(made, n * graph_.shape(graph_.outputs[o]).size(), output(o));
}

}  // namespace espalier
