// benchmark_conv.cpp: GFLOP/s of every convolution of a network: forward, input gradient, weight gradient.
// The other kernels: tools/benchmark/kernels/benchmark_kernels.cpp.
#include <algorithm>

#include "framework/core/random.h"
#include "framework/core/tensor.h"
#include "framework/kernels/conv2d.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/instruction_set.h"
#include "tools/benchmark/benchmark_jobs.h"

namespace espalier {
namespace {

ConvGeometry geometry(Index size, Index in, Index out, Index kernel, Index stride, Index pad) {
  const Index extent = (size + 2 * pad - kernel) / stride + 1;
  return {size, size, in, extent, extent, out, kernel, kernel, stride, pad, 1, 1};
}

/// What a large matrix product reaches: the ceiling in practice.
void measure_ceiling(const BenchmarkOptions& options, int threads) {
  constexpr Index n = 1024;
  const Tensor a = random_tensor({n, n}, 1), b = random_tensor({n, n}, 2);
  Tensor c = Tensor::uninitialized({n, n});
  using kernels::Transpose;
  print_rate({"conv", "machine", "sgemm 1024", threads, n}, "GFLOP/s", 2e-9 * n * n * n,
             time_calls(options, threads,
                        [&] {
                          kernels::gemm(Transpose::no, Transpose::no, n, n, n, 1.0F, a.data(), n, b.data(), n,
                                        0.0F, c.data(), n);
                        }),
             fmt::format("instruction set {}", kernels::instruction_set().name));
}

}  // namespace

std::vector<ConvGeometry> benchmark_layers(const std::string& name) {
  if (name == "cifarnet")
    return {geometry(32, 3, 32, 5, 1, 2), geometry(15, 32, 32, 5, 1, 2), geometry(7, 32, 64, 5, 1, 2)};
  if (name == "resnet20")
    return {geometry(32, 3, 16, 3, 1, 1),  geometry(32, 16, 16, 3, 1, 1), geometry(32, 16, 32, 3, 2, 1),
            geometry(32, 16, 32, 1, 2, 0), geometry(16, 32, 32, 3, 1, 1), geometry(16, 32, 64, 3, 2, 1),
            geometry(16, 32, 64, 1, 2, 0), geometry(8, 64, 64, 3, 1, 1)};
  std::vector<ConvGeometry> layers;
  if (is_onnx(name)) {
    const auto model = benchmark_model(name);
    for (const Step& step : model->graph().steps)
      if (const auto* conv = dynamic_cast<const ConvOp*>(step.op.get())) {
        const ConvGeometry g = conv->geometry(model->graph().shape(step.inputs[0]));
        if (std::find(layers.begin(), layers.end(), g) == layers.end()) layers.push_back(g);
      }
  }
  return layers;
}

void benchmark_conv(const BenchmarkOptions& options, const std::string& name, int threads) {
  const std::vector<ConvGeometry> layers = benchmark_layers(name);
  if (layers.empty()) return;
  measure_ceiling(options, threads);
  for (const int n : options.batches)
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const ConvGeometry& g = layers[i];
      Tensor x = random_tensor(g.input(n), 1), w = random_tensor(g.weight(), 2),
             y = random_tensor(g.output(n), 3);
      const auto print = [&](const char* pass, FunctionRef<void()> f) {
        print_rate({"conv", short_name(name),
                    fmt::format("{} {}->{} {}x{}/{}{} at {}x{}", pass, g.in_c, g.out_c, g.kernel_h,
                                g.kernel_w, g.stride.h,
                                g.groups > 1 ? fmt::format(" in {} groups", g.groups) : "", g.in_h, g.in_w),
                    threads, n},
                   "GFLOP/s", 2e-9 * static_cast<double>(g.macs()) * n, time_calls(options, threads, f));
      };
      print("forward", [&] { kernels::conv2d(g, n, x.data(), w.data(), nullptr, false, y.data()); });
      if (i > 0)  // the images need no gradient
        print("input gradient", [&] { kernels::conv2d_input_grad(g, n, y.data(), w.data(), x.data()); });
      print("weight gradient", [&] { kernels::conv2d_weight_grad(g, n, x.data(), y.data(), w.data()); });
    }
}

}  // namespace espalier
