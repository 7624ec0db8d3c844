#include "framework/infer/sparse_measure.h"

#include <algorithm>
#include <array>
#include <limits>

#include "framework/core/clock.h"
#include "framework/graph/ops.h"
#include "framework/infer/sparse_kernels.h"

namespace espalier {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

double time_kernel(const StepKernel& kernel, const Step& step, Batches& batches) {
  Index n = batches.size(step.output);
  std::vector<const Real*> inputs;
  for (const ValueId id : step.inputs) {
    inputs.push_back(batches.at(id));
    n = std::min(n, batches.size(id));
  }
  return least_seconds([&] { kernel.run({n, inputs, batches.at(step.output)}); }) / static_cast<double>(n);
}

}  // namespace

double least_seconds(FunctionRef<void()> call) {
  constexpr double enough = 2e-4;
  constexpr int least_calls = 2, most_calls = 20;
  call();  // fills caches, and the pool of buffers
  double least = infinite, sum = 0;
  for (int k = 0; k < least_calls || (k < most_calls && sum < enough); ++k) {
    const double start = seconds_now();
    call();
    const double took = seconds_now() - start;
    least = std::min(least, took);
    sum += took;
  }
  return least;
}

double density_of(const Graph& graph, const Weights& weights, const Step& step) {
  for (const int p : step.parameters)
    if (graph.parameters[p].role == Role::weight) {
      const Tensor& w = weights.at(graph.parameters[p].name);
      const Index zeros = std::count(w.data(), w.data() + w.size(), Real(0));
      return 1 - static_cast<double>(zeros) / static_cast<double>(std::max<Index>(w.size(), 1));
    }
  return 1;
}

std::vector<Cut> cuts_of(const Graph& graph) {
  std::vector<std::size_t> last_read(graph.values.size(), 0);
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    for (const ValueId id : graph.steps[s].inputs) last_read[id] = s + 1;
  for (const ValueId id : graph.outputs) last_read[id] = graph.steps.size() + 1;
  std::vector<Cut> cuts;
  std::vector<ValueId> alive{graph.input};
  for (std::size_t s = 0; s <= graph.steps.size(); ++s) {
    if (s > 0) alive.push_back(graph.steps[s - 1].output);
    std::erase_if(alive, [&](ValueId id) { return last_read[id] <= s; });
    if (alive.size() == 1) cuts.push_back({s, alive[0]});
  }
  return cuts;
}

Batches::Batches(const Graph& graph, Index images, Index rows) {
  for (const Value& value : graph.values) {
    tensors_.push_back(Tensor::uninitialized({value.shape.rank() == 3 ? images : rows, value.shape.size()}));
    // Any values between -0.5 and 0.5 do, none of them so small that arithmetic slows down.
    std::uint32_t bits = 1;
    for (Real& v : tensors_.back().values()) {
      bits = bits * 1664525 + 1013904223;
      v = static_cast<Real>(bits >> 16) / Real(65536) - Real(0.5);
    }
  }
}

std::vector<double> dense_seconds(const Graph& graph, const Weights& weights, Batches& batches) {
  std::vector<double> seconds;
  for (const Step& step : graph.steps)
    seconds.push_back(time_kernel(*dense_kernel(graph, step, weights), step, batches));
  return seconds;
}

Measured measure_steps(const Graph& graph, const Weights& weights, const std::vector<double>& dense,
                       Batches& batches, Index images) {
  Measured m;
  m.dense = dense;
  m.sparse.assign(graph.steps.size(), infinite);
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    if (const auto linear = sparse_linear_kernel(graph, graph.steps[s], weights))
      m.sparse[s] = time_kernel(*linear, graph.steps[s], batches);
  // The longest stretches; shorter ones cost the sum of their steps.
  const std::vector<Cut> cuts = cuts_of(graph);
  for (std::size_t c = 0; c + 1 < cuts.size();) {
    std::unique_ptr<BlockedProgram> program;
    std::size_t last = c;
    for (std::size_t e = cuts.size() - 1; e > c && !program; --e) {
      const Stretch stretch{cuts[c].step, cuts[e].step};
      const bool all = std::all_of(graph.steps.begin() + stretch.begin, graph.steps.begin() + stretch.end,
                                   has_blocked_kernel);
      if (all) program = BlockedProgram::make(graph, weights, stretch, images, threads());
      last = e;
    }
    if (!program) {
      ++c;
      continue;
    }
    const Real* input = batches.at(cuts[c].value);
    Real* output = batches.at(cuts[last].value);
    const double images_now = static_cast<double>(images);
    const std::vector<double> seconds = program->time_steps(input, output, 3);
    double sum = 0;
    for (std::size_t s = cuts[c].step; s < cuts[last].step; ++s) {
      m.sparse[s] = seconds[s] / images_now;
      sum += seconds[s];
    }
    const double whole = least_seconds([&] { program->run(images, input, output); });
    const Index values = images * graph.shape(cuts[c].value).size();
    m.change = std::max(m.change, std::max(whole - sum, 0.0) / static_cast<double>(values));
    c = last;
  }
  return m;
}

ChosenWays choose_ways(const Graph& graph, const Measured& m, Index images) {
  const std::vector<Cut> cuts = cuts_of(graph);
  const auto size_at = [&](std::size_t c) { return static_cast<double>(graph.shape(cuts[c].value).size()); };
  const auto rows_at = [&](std::size_t c) { return graph.shape(cuts[c].value).rank() != 3; };
  // least[c][way]: seconds up to cut c if the value there is in the engine's layout (0) or blocked (1).
  struct State {
    double seconds = infinite;
    int before = 0;       ///< way at the cut before
    bool inside = false;  ///< whether the steps between were blocked
  };
  std::vector<std::array<State, 2>> least(cuts.size());
  least[0][0].seconds = 0;
  const auto reach = [](State& to, double seconds, int before, bool inside) {
    if (seconds < to.seconds) to = {seconds, before, inside};
  };
  for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
    double dense = 0, blocked = 0;
    for (std::size_t s = cuts[c].step; s < cuts[c + 1].step; ++s) {
      const bool linear = !has_blocked_kernel(graph.steps[s]);
      dense += linear ? std::min(m.dense[s], m.sparse[s]) : m.dense[s];
      blocked += linear ? infinite : m.sparse[s];
    }
    for (const int way : {0, 1}) {
      const double now = least[c][way].seconds;
      // Dense steps read the engine's layout, blocked ones theirs; rows are the same in both.
      reach(least[c + 1][0], now + (way ? m.change * size_at(c) : 0) + dense, way, false);
      const double in_blocked = now + (way || rows_at(c) ? 0 : m.change * size_at(c)) + blocked;
      reach(least[c + 1][rows_at(c + 1) ? 0 : 1], in_blocked, way, true);
    }
  }
  const std::size_t end = cuts.size() - 1;
  reach(least[end][0], least[end][1].seconds + m.change * size_at(end), least[end][1].before,
        least[end][1].inside);

  ChosenWays choice;
  choice.side.images = images;
  choice.sparse.assign(graph.steps.size(), false);
  choice.seconds = least[end][0].seconds;
  std::vector<int> way(cuts.size(), 0);
  std::vector<bool> inside(cuts.size(), false);  // of the steps before each cut
  for (std::size_t c = end; c > 0; --c) {
    inside[c] = least[c][way[c]].inside;
    way[c - 1] = least[c][way[c]].before;
  }
  std::vector<Stretch> stretches;
  for (std::size_t c = 1; c <= end; ++c) {
    const std::size_t begin = cuts[c - 1].step, stop = cuts[c].step;
    if (inside[c] && inside[c - 1] && way[c - 1] == 1)
      stretches.back().end = stop;
    else if (inside[c])
      stretches.push_back({begin, stop});
    for (std::size_t s = begin; s < stop; ++s)
      choice.sparse[s] = inside[c] || (!has_blocked_kernel(graph.steps[s]) && m.sparse[s] < m.dense[s]);
  }
  for (const Stretch& stretch : stretches)
    choice.side.stretches.push_back({graph.steps[stretch.begin].name, graph.steps[stretch.end - 1].name});
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    if (choice.sparse[s] && !has_blocked_kernel(graph.steps[s]))
      choice.side.linear.push_back(graph.steps[s].name);
  return choice;
}

}  // namespace espalier
