// benchmark_sparse.cpp: what pruning gains: convolutions at several densities beside the dense kernel, and whole
// networks under a global magnitude mask by the sparse engine beside the dense one. The tables of
// framework/infer/README.md come from here.
#include <algorithm>
#include <cmath>

#include "framework/core/random.h"
#include "framework/infer/sparse_engine.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/sparse_conv2d.h"
#include "tools/benchmark/benchmark_jobs.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

constexpr double sparsities[] = {0.8, 0.9, 0.95, 0.98};

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

/// The smallest weights of all layers together become zero.
void prune_smallest(const Graph& graph, Weights& weights, double sparsity) {
  std::vector<Real> sizes;
  for (const ParameterSpec& p : graph.parameters)
    if (p.role == Role::weight)
      for (const Real v : weights.at(p.name).values()) sizes.push_back(std::abs(v));
  const auto rank = static_cast<std::size_t>(sparsity * static_cast<double>(sizes.size()));
  if (sizes.empty() || rank >= sizes.size()) return;
  std::nth_element(sizes.begin(), sizes.begin() + rank, sizes.end());
  const Real threshold = sizes[rank];
  for (const ParameterSpec& p : graph.parameters) {
    if (p.role != Role::weight) continue;
    Tensor kept = weights.at(p.name).clone();
    for (Real& v : kept.values())
      if (std::abs(v) < threshold) v = 0;
    weights.tensors[p.name] = kept;
  }
}

void time_layer(const BenchmarkOptions& options, const std::string& model, int threads, Index n,
                const ConvGeometry& g) {
  const auto print = [&](const std::string& how, FunctionRef<void()> f) {
    Timing timing = time_calls(options, threads, f);
    for (double& s : timing.seconds) s *= 1e6 / static_cast<double>(n);
    print_values({"sparse", model,
                  fmt::format("{}x{} {}->{} at {}x{}, {}", g.kernel_h, g.kernel_w, g.in_c, g.out_c, g.in_h,
                              g.in_w, how),
                  threads, n},
                 "us/image", timing.seconds, timing.note);
  };
  const Tensor x = random_tensor(g.input(n), 1), w = random_tensor(g.weight(), 2);
  Tensor y = Tensor::uninitialized(g.output(n));
  const kernels::PackedConv2d dense(g, w.data(), nullptr);
  print("dense", [&] { dense.run(n, x.data(), true, y.data()); });
  // As many images to a vector as there are, the rest of the lanes being tiles.
  const Index lanes = kernels::instruction_set().lanes;
  Index images = std::max<Index>(1, lanes / 16);
  while (images < n && images < lanes) images *= 2;
  const kernels::LaneGrid grid = kernels::lane_grid(lanes, images);
  kernels::BlockedShape in = kernels::blocked_shape(grid, g.in_c, g.in_h, g.in_w, 0),
                        out = kernels::blocked_shape(grid, g.out_c, g.out_h, g.out_w, 0);
  const kernels::BlockedWindow window = kernels::sparse_window(g);
  in.halo = out.halo = std::max<Index>(0, kernels::halo_needed(in, out, window));
  if (!kernels::tiles_meet(in, out, window)) return;
  std::vector<Real> from(in.size(n)), to(out.size(n));
  kernels::to_blocked(in, n, x.data(), from.data());
  for (const double sparsity : sparsities) {
    Tensor kept = w.clone();
    Random random(1, Random::Use::synthetic, {3});
    for (Real& v : kept.values())
      if (random.uniform(0, 1) < sparsity) v = 0;
    const kernels::SparseConv2d conv(g, kept.data(), nullptr, in, out, threads);
    print(percent(sparsity), [&] { conv.run(n, from.data(), true, to.data()); });
  }
}

}  // namespace

void benchmark_sparse(const BenchmarkOptions& options, const std::string& name, int threads) {
  for (const int n : options.batches)
    for (const ConvGeometry& g : benchmark_layers(name))
      if (g.stride == Extent2(1) && g.in_c > 3) time_layer(options, name, threads, n, g);
  std::unique_ptr<Model> model;
  if (options.config.empty()) {
    model = benchmark_model(name);
  } else {
    CommandOptions command;
    command.config = options.config;
    RunConfig config = read_run_config(command);
    model = std::move(prepare(config, beginning_of(config)).model);
  }
  for (const double sparsity : sparsities) {
    Weights weights = weights_of(model->store());
    prune_smallest(model->graph(), weights, sparsity);
    const Engine dense(model->graph(), weights);
    for (const int n : options.batches) {
      const SparseEngine sparse(model->graph(), weights, {.plan = {}, .batch = n});
      const Shape image = model->image();
      const Tensor x = random_tensor({n, image[0], image[1], image[2]}, 1);
      Tensor y = Tensor::uninitialized({n, model->classes()});
      const auto rate = [&](const char* how, const Timing& timing) {
        print_rate({"sparse", name, fmt::format("network {} {}", percent(sparsity), how), threads, n},
                   "images/s", static_cast<double>(n), timing);
        return timing.median();
      };
      const double zeros = rate("dense", time_calls(options, threads, [&] { dense.run(x, y); }));
      const double kept = rate("sparse", time_calls(options, threads, [&] { sparse.run(x, y); }));
      print_values({"sparse", name, fmt::format("network {} gain", percent(sparsity)), threads, n}, "times",
                   {zeros / kept});
    }
  }
}

}  // namespace espalier
