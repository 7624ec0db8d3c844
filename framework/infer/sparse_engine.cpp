#include "framework/infer/sparse_engine.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "framework/core/parallel.h"
#include "framework/graph/passes.h"
#include "framework/infer/sparse_kernels.h"
#include "framework/infer/sparse_measure.h"
#include "framework/kernels/instruction_set.h"

namespace espalier {
namespace {

std::size_t step_named(const Graph& graph, const std::string& name) {
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    if (graph.steps[s].name == name) return s;
  fail(ExitCode::config,
       "sparse plan: the network has no step \"{}\"; measure a plan of its own (leave the plan out)", name);
}

std::shared_ptr<const Engine> engine_of(const Graph& graph, const Weights& weights,
                                        const SparsePlan::Side& side, Index lists) {
  std::vector<std::pair<Stretch, std::shared_ptr<const BlockedProgram>>> programs;
  for (const SparsePlan::Part& part : side.stretches) {
    const Stretch stretch{step_named(graph, part.first), step_named(graph, part.last) + 1};
    const std::vector<Cut> cuts = cuts_of(graph);
    const auto cut_at = [&](std::size_t s) {
      return std::any_of(cuts.begin(), cuts.end(), [&](const Cut& c) { return c.step == s; });
    };
    std::shared_ptr<const BlockedProgram> program;
    if (stretch.begin < stretch.end && cut_at(stretch.begin) && cut_at(stretch.end))
      program = BlockedProgram::make(graph, weights, stretch, side.images, lists);
    if (!program)
      fail(
          ExitCode::config,
          "sparse plan: steps \"{}\" to \"{}\" of this network cannot run as one sparse stretch with {} images to a "
          "vector; measure a plan of its own (leave the plan out)",
          part.first, part.last, side.images);
    programs.emplace_back(stretch, std::move(program));
  }
  for (const std::string& name : side.linear) step_named(graph, name);
  const auto linear = [&side](const Graph& g, const Step& step,
                              const Weights& w) -> std::unique_ptr<StepKernel> {
    if (std::find(side.linear.begin(), side.linear.end(), step.name) == side.linear.end()) return nullptr;
    return sparse_linear_kernel(g, step, w);
  };
  return std::make_shared<const Engine>(with_programs(graph, programs), weights,
                                        PlanOptions{{program_kernel, linear}});
}

/// Seconds an image of a whole engine.
double seconds_of(const Engine& engine, Index n) {
  const Graph& graph = engine.graph();
  const auto batch = [&](const Shape& s) {
    return Tensor::full(s.rank() == 1 ? Shape{n, s[0]} : Shape{n, s[0], s[1], s[2]}, Real(0.5));
  };
  const Tensor input = batch(graph.shape(graph.input));
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(batch(graph.shape(id)));
  return least_seconds([&] { engine.run(input, outputs); }) / static_cast<double>(n);
}

/// The best side for batches of `n`, with its engine, and the times of all steps.
struct MeasuredSide {
  SparsePlan::Side side;
  std::shared_ptr<const Engine> engine;
};
MeasuredSide measured_side(const Graph& graph, const Weights& weights, Index n,
                           const std::vector<Index>& candidates,
                           const std::shared_ptr<const Engine>& dense_engine, std::vector<StepTimes>& times,
                           StepTimes::Ways StepTimes::*of) {
  // Programs are timed on whole groups, whose rows must have room too.
  const Index lanes = kernels::instruction_set().lanes, group = candidates.front();
  Batches batches(graph, std::max(std::min(n, lanes), group),
                  std::max(std::min(n, kernels::column_examples), group));
  const std::vector<double> dense = dense_seconds(graph, weights, batches);
  ChosenWays best;
  Measured steps;
  for (const Index images : candidates) {
    Measured measured = measure_steps(graph, weights, dense, batches, images);
    ChosenWays choice = choose_ways(graph, measured, images);
    if (best.sparse.empty() || choice.seconds < best.seconds)
      best = std::move(choice), steps = std::move(measured);
  }
  MeasuredSide result{best.side, dense_engine};
  if (!best.side.stretches.empty() || !best.side.linear.empty()) {
    result.engine = engine_of(graph, weights, best.side, threads());
    // Steps on their own are not the whole: never slower than dense.
    if (seconds_of(*result.engine, n) >= seconds_of(*dense_engine, n)) {
      result = {{}, dense_engine};
      best.sparse.assign(graph.steps.size(), false);
    }
  }
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    times[s].*of = {1e6 * steps.dense[s], 1e6 * steps.sparse[s], best.sparse[s]};
  return result;
}

/// Images to a vector worth trying for batches: as many as there are lanes, or several tiles of fewer.
std::vector<Index> candidates_for_batches() {
  const Index lanes = kernels::instruction_set().lanes;
  std::vector<Index> all{lanes};
  for (const Index images : {lanes / 4, lanes / 16})
    if (images >= 1) all.push_back(images);
  return all;
}

/// Plans of this process, by what they depend on.
struct Known {
  SparsePlan plan;
  std::vector<StepTimes> times;
};
std::mutex known_guard;
std::map<std::string, Known> known;

/// Shapes, the pattern of zeros, instruction set and threads.
std::string key_of(const Graph& graph, const Weights& weights, Index batch) {
  std::string key = fmt::format("{} {} {}", kernels::instruction_set().name, threads(), batch);
  for (const Step& step : graph.steps) {
    key += fmt::format(" {} {} {}", step.name, step.op->type(), graph.shape(step.output));
    for (const int p : step.parameters) {
      const Tensor& w = weights.at(graph.parameters[p].name);
      std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
      for (const Real v : w.values()) hash = (hash ^ (v != 0)) * 1099511628211ULL;
      key += fmt::format(" {} {:x}", w.shape(), hash);
    }
  }
  return key;
}

}  // namespace

SparseEngine::SparseEngine(const Graph& graph, const Weights& weights, const Settings& settings) {
  check_weights(graph, weights);
  const auto [folded, own] = fold_batch_norm(drop_identities(graph), weights);
  const Graph joined = join_activations(folded, Joined::all);
  const std::string key = key_of(joined, own, settings.batch);
  const std::lock_guard lock(known_guard);  // also: nobody measures beside us
  std::optional<SparsePlan> plan = settings.plan;
  if (const auto found = known.find(key); !plan && found != known.end()) {
    times_ = found->second.times;
    plan = found->second.plan;
  }
  if (plan) {
    plan_ = *plan;
    few_ = engine_of(joined, own, plan_.few, threads());
    many_ = engine_of(joined, own, plan_.many, threads());
    return;
  }
  for (const Step& step : joined.steps) times_.push_back({step.name, density_of(joined, own, step), {}, {}});
  const std::shared_ptr<const Engine> dense = engine_of(joined, own, {}, threads());
  const Index least = std::max<Index>(1, kernels::instruction_set().lanes / 16);
  MeasuredSide few = measured_side(joined, own, 1, {least}, dense, times_, &StepTimes::one);
  MeasuredSide many =
      measured_side(joined, own, settings.batch, candidates_for_batches(), dense, times_, &StepTimes::batch);
  plan_ = {few.side, many.side};
  few_ = std::move(few.engine);
  many_ = std::move(many.engine);
  known[key] = {plan_, times_};
}

void SparseEngine::run(const Tensor& input, std::span<Tensor> outputs) const {
  (input.shape()[0] < plan_.many_from ? few_ : many_)->run(input, outputs);
}

}  // namespace espalier
