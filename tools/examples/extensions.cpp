// extensions.cpp: a criterion, an op and a data set of one's own, registered from outside the project: JSON configs and
// the C++ API then know them by name, with every inverse, schedule, group and update there is.
#include <cmath>
#include <cstdio>

#include "framework/autograd/arithmetic.h"
#include "framework/graph/builder.h"
#include "pruning/step/prune.h"

using namespace espalier;

namespace {

/// |w| times the mean gradient's size: a first-order criterion.
struct Sensitivity final : Criterion {
  void fields(Fields&) override {}
  void saliency(const QuadraticModel& m, std::span<double> out) const override {
    for (std::size_t q = 0; q < out.size(); ++q) out[q] = std::abs(m.w[q] * m.g[q]);
  }
};
const bool criterion_known = Registry<Criterion>::add<Sensitivity>("sensitivity", "|w g|");

/// y = factor x, with its setting.
struct ScaleOp final : OpOf<ScaleOp> {
  double factor = 1;
  const char* type() const override { return "scale_by"; }
  void fields(Fields& f) override { f("factor", factor, "of every value"); }
  Shape shape(std::span<const Shape> in) const override { return in[0]; }
  Var apply(std::span<const Var> in, const StepWeights&, Pass&) const override {
    return scale(in[0], static_cast<Real>(factor));
  }
};
const bool op_known = add_op<ScaleOp>("every value times a factor");

/// Two classes: bright and dark pictures.
struct BrightOrDark final : DataSettings {
  int images = 100;
  void fields(Fields& f) override { f("images", images, "in each split", {.low = 2}); }
  ImageSet make() const {
    ImageSet set{.height = 4, .width = 4, .channels = 1, .pixels = {}, .labels = {}};
    for (int i = 0; i < images; ++i) {
      set.labels.push_back(i % 2);
      set.pixels.insert(set.pixels.end(), 16, static_cast<std::uint8_t>(i % 2 ? 200 + i % 50 : i % 50));
    }
    return set;
  }
  DataSource open() const override { return {make(), make(), {"dark", "bright"}, ""}; }
};
const bool data_known =
    Registry<DataSettings>::add<BrightOrDark>("bright_or_dark", "two classes of plain pictures");

}  // namespace

int main() try {
  DataConfig from;
  from.source.choose("bright_or_dark");
  const LoadedData data = open_data(from);
  GraphBuilder net({4, 4, 1});
  ScaleOp half;
  half.factor = 0.5;
  net.add("half", half);
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 2}));
  Model model(net.finish(), 2, 1);
  PruneConfig config;
  config.criterion.choose("sensitivity");
  config.num_grads = 50;
  const PruneResult r = prune(model, data, config, 0.5);
  std::printf("%.0f %% pruned, loss %.4f -> %.4f\n", 100 * r.sparsity, r.loss_before, r.loss_after);
} catch (const std::exception& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
