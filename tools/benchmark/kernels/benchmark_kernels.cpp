// benchmark_kernels.cpp: how fast the kernels are at the shapes of our networks, batch 128. Built when Google
// Benchmark is installed. Run e.g.
//   build/release/benchmark_kernels --benchmark_filter='conv.*32x15' --benchmark_repetitions=5
// The number in front of real_time is the number of threads. The tables of
// framework/kernels/measurements.md come from here.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "framework/core/parallel.h"
#include "framework/core/random.h"
#include "framework/core/tensor.h"
#include "framework/kernels/batch_norm.h"
#include "framework/kernels/conv2d.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/linear.h"
#include "framework/kernels/pool2d.h"

namespace espalier {
namespace {

constexpr Index batch = 128;

Tensor random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor t = Tensor::uninitialized(shape);
  Random random(seed, Random::Use::test);
  for (Real& v : t.values()) v = static_cast<Real>(random.uniform(-1, 1));
  return t;
}

/// Reports `flops` (or `bytes`) of one call per second.
void report(benchmark::State& state, double flops, double bytes) {
  using benchmark::Counter;
  if (flops > 0)
    state.counters["GFLOP/s"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate, Counter::kIs1000);
  if (bytes > 0)
    state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate, Counter::kIs1000);
}

template <class Fn>
void add(const std::string& name, double flops, double bytes, Fn fn) {
  for (const int count : {1, 2})
    benchmark::RegisterBenchmark(fmt::format("{}/{}", name, count).c_str(),
                                 [=](benchmark::State& state) {
                                   set_threads(count);
                                   auto run = fn();  // allocates the operands
                                   for ([[maybe_unused]] auto _ : state) run();
                                   report(state, flops, bytes);
                                 })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
}

ConvGeometry geometry(Index size, Index in, Index out, Index kernel, Index stride, Index pad) {
  const Index extent = (size + 2 * pad - kernel) / stride + 1;
  return {size, size, in, extent, extent, out, kernel, kernel, stride, pad, 1, 1};
}

void convolutions() {
  struct Layer {
    const char* name;
    ConvGeometry g;
  };
  static const Layer layers[] = {
      {"cifarnet_3_32_5x5_32", geometry(32, 3, 32, 5, 1, 2)},
      {"cifarnet_32_32_5x5_15", geometry(15, 32, 32, 5, 1, 2)},
      {"cifarnet_32_64_5x5_7", geometry(7, 32, 64, 5, 1, 2)},
      {"resnet_3_16_3x3_32", geometry(32, 3, 16, 3, 1, 1)},
      {"resnet_16_16_3x3_32", geometry(32, 16, 16, 3, 1, 1)},
      {"resnet_32_32_3x3_16", geometry(16, 32, 32, 3, 1, 1)},
      {"resnet_64_64_3x3_8", geometry(8, 64, 64, 3, 1, 1)},
      {"resnet_16_32_3x3s2_32", geometry(32, 16, 32, 3, 2, 1)},
      {"resnet_32_64_3x3s2_16", geometry(16, 32, 64, 3, 2, 1)},
      {"resnet_16_32_1x1s2_32", geometry(32, 16, 32, 1, 2, 0)},
      {"lenet_1_6_5x5_28", geometry(28, 1, 6, 5, 1, 0)},
      {"lenet_6_16_5x5_12", geometry(12, 6, 16, 5, 1, 0)},
  };
  for (const Layer& layer : layers) {
    const ConvGeometry g = layer.g;
    const double flops = 2.0 * static_cast<double>(g.macs()) * batch;
    const auto operands = [g] {
      struct {
        Tensor x, w, y;
      } t{random_tensor(g.input(batch), 1), random_tensor(g.weight(), 2), random_tensor(g.output(batch), 3)};
      return t;
    };
    add(std::string("conv_forward/") + layer.name, flops, 0, [=] {
      return [g, t = operands()]() mutable {
        kernels::conv2d(g, batch, t.x.data(), t.w.data(), nullptr, false, t.y.data());
      };
    });
    add(std::string("conv_input_grad/") + layer.name, flops, 0, [=] {
      return [g, t = operands()]() mutable {
        kernels::conv2d_input_grad(g, batch, t.y.data(), t.w.data(), t.x.data());
      };
    });
    add(std::string("conv_weight_grad/") + layer.name, flops, 0, [=] {
      return [g, t = operands()]() mutable {
        kernels::conv2d_weight_grad(g, batch, t.x.data(), t.y.data(), t.w.data());
      };
    });
    add(std::string("conv_weight_grad_per_example/") + layer.name, flops, 0, [=] {
      return [g, t = operands(), rows = random_tensor({batch, g.weight().size()}, 4)]() mutable {
        parallel_for(batch, 4, [&](Range r) {
          for (Index e = r.begin; e < r.end; ++e)
            kernels::conv2d_weight_grad(g, 1, t.x.data() + e * g.input(1).size(),
                                        t.y.data() + e * g.output(1).size(), rows.slice({e, e + 1}).data());
        });
      };
    });
  }
}

void memory_bound() {
  using Map = std::pair<Index, Index>;  // extent, channels
  for (const Map& map : {Map{32, 32}, Map{15, 32}, Map{7, 64}}) {
    const Index size = map.first, channels = map.second;
    const Index out = (size - 3) / 2 + 1;
    const PoolGeometry g{size, size, channels, out, out, 3, 2};
    const double in_bytes = static_cast<double>(g.input(batch).size()) * sizeof(Real);
    const double out_bytes = static_cast<double>(g.output(batch).size()) * sizeof(Real);
    const std::string name = fmt::format("/{}x{}", size, channels);
    add("max_pool" + name, 0, in_bytes + 2 * out_bytes, [g] {
      return [g, x = random_tensor(g.input(batch), 1), y = random_tensor(g.output(batch), 2),
              which = random_tensor(g.output(batch), 3)]() mutable {
        kernels::max_pool(g, batch, x.data(), true, y.data(), which.data());
      };
    });
    add("max_pool_grad" + name, 0, in_bytes + 2 * out_bytes, [g] {
      Tensor x = random_tensor(g.input(batch), 1), y = random_tensor(g.output(batch), 2), which = y.clone();
      kernels::max_pool(g, batch, x.data(), true, y.data(), which.data());
      return [=]() mutable { kernels::max_pool_grad(g, batch, y.data(), which.data(), x.data()); };
    });
    add("average_pool" + name, 0, in_bytes + out_bytes, [g] {
      return [g, x = random_tensor(g.input(batch), 1), y = random_tensor(g.output(batch), 2)]() mutable {
        kernels::average_pool(g, batch, x.data(), y.data());
      };
    });
    add("average_pool_grad" + name, 0, in_bytes + out_bytes, [g] {
      return [g, x = random_tensor(g.input(batch), 1), y = random_tensor(g.output(batch), 2)]() mutable {
        kernels::average_pool_grad(g, batch, y.data(), x.data());
      };
    });
  }
  for (const Map& map : {Map{32, 16}, Map{16, 32}, Map{8, 64}}) {
    const Index size = map.first, channels = map.second;
    const Index rows = batch * size * size;
    const double bytes = static_cast<double>(rows * channels) * sizeof(Real);
    const std::string name = fmt::format("/{}x{}", size, channels);
    const auto operands = [=] {
      struct {
        Tensor x, y, z, a, b, c, d, e;
      } t{random_tensor({rows, channels}, 1), random_tensor({rows, channels}, 2),
          random_tensor({rows, channels}, 3), random_tensor({channels}, 4),
          random_tensor({channels}, 5),       random_tensor({channels}, 6),
          random_tensor({channels}, 7),       random_tensor({channels}, 8)};
      return t;
    };
    add("channel_moments" + name, 0, bytes, [=] {
      return [=, t = operands()]() mutable {
        kernels::channel_moments(rows, channels, t.x.data(), t.a.data(), t.b.data());
      };
    });
    add("channel_affine_relu" + name, 0, 2 * bytes, [=] {
      return [=, t = operands()]() mutable {
        kernels::channel_affine(rows, channels, t.x.data(), t.a.data(), t.b.data(), nullptr, true,
                                t.y.data());
      };
    });
    add("channel_sums_products" + name, 0, 2 * bytes, [=] {
      return [=, t = operands()]() mutable {
        kernels::channel_sums(rows, channels, t.x.data(), t.y.data(), t.a.data(), t.b.data());
      };
    });
    add("batch_norm_input_grad" + name, 0, 3 * bytes, [=] {
      return [=, t = operands()]() mutable {
        kernels::batch_norm_input_grad(rows, channels, t.x.data(), t.y.data(),
                                       {t.a.data(), t.b.data(), t.c.data(), t.d.data(), t.e.data()},
                                       t.d.data(), t.e.data(), t.z.data());
      };
    });
    add("relu" + name, 0, 2 * bytes, [=] {
      return [=, t = operands()]() mutable { kernels::relu(rows * channels, t.x.data(), t.y.data()); };
    });
    add("keep_positive" + name, 0, 3 * bytes, [=] {
      return [=, t = operands()]() mutable {
        kernels::keep_positive(rows * channels, t.x.data(), t.y.data(), t.z.data());
      };
    });
  }
  for (const Index n : {31800, 116906, 270896})
    add(fmt::format("sgd_step/{}", n), 0, 6.0 * static_cast<double>(n) * sizeof(Real), [n] {
      return [n, w = random_tensor({n}, 1), v = random_tensor({n}, 2), g = random_tensor({n}, 3),
              mask = Tensor::full({n}, 1)]() mutable {
        kernels::sgd_step(n, Real(1e-3), Real(0.9), true, Real(1e-4), g.data(), mask.data(), v.data(),
                          w.data());
      };
    });
}

void products() {
  struct Layer {
    Index n, in, out;
  };
  for (const Layer l : {Layer{64, 784, 40}, {64, 40, 20}, {128, 576, 64}, {128, 64, 10}, {256, 784, 40}}) {
    const std::string name = fmt::format("/{}x{}x{}", l.n, l.in, l.out);
    const double flops = 2.0 * static_cast<double>(l.n * l.in * l.out);
    const auto operands = [l] {
      struct {
        Tensor x, w, y;
      } t{random_tensor({l.n, l.in}, 1), random_tensor({l.out, l.in}, 2), random_tensor({l.n, l.out}, 3)};
      return t;
    };
    add("linear_forward" + name, flops, 0, [=] {
      return [l, t = operands()]() mutable {
        kernels::linear(l.n, l.in, l.out, t.x.data(), t.w.data(), nullptr, true, t.y.data());
      };
    });
    add("linear_input_grad" + name, flops, 0, [=] {
      return [l, t = operands()]() mutable {
        kernels::linear_input_grad(l.n, l.in, l.out, t.y.data(), t.w.data(), t.x.data());
      };
    });
    add("linear_weight_grad" + name, flops, 0, [=] {
      return [l, t = operands()]() mutable {
        kernels::linear_weight_grad(l.n, l.in, l.out, t.x.data(), t.y.data(), t.w.data());
      };
    });
  }
  for (const Index n : {400, 1000}) {
    const auto square = [n] { return std::vector<double>(n * n, 0.5); };
    add(fmt::format("syrk/{}", n), static_cast<double>(n * n * 1000), 0, [=] {
      return [n, a = std::vector<double>(n * 1000, 0.5), c = square()]() mutable {
        kernels::syrk(n, 1000, 1, a.data(), 1000, 0, c.data(), n);
      };
    });
    add(fmt::format("cholesky/{}", n), static_cast<double>(n * n * n) / 3, 0, [=] {
      return [n, a = square(), work = square()]() mutable {
        work = a;
        for (Index i = 0; i < n; ++i) work[i * n + i] = static_cast<double>(n);
        benchmark::DoNotOptimize(kernels::cholesky(n, work.data(), n));
      };
    });
    add(fmt::format("triangular_solve/{}", n), static_cast<double>(n * n * 1000), 0, [=] {
      auto l = square();
      for (Index i = 0; i < n; ++i) l[i * n + i] = static_cast<double>(n);
      return [n, l, x = std::vector<double>(n * 1000, 0.5)]() mutable {
        kernels::triangular_solve(kernels::Transpose::no, n, 1000, l.data(), n, x.data(), 1000);
      };
    });
  }
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  espalier::convolutions();
  espalier::memory_bound();
  espalier::products();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
