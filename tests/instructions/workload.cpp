// workload.cpp: what instruction_counts runs under callgrind: one call of one function, after a call that
// warms up (buffers, packed weights). One thread, so that everything is counted.
//   workload train|resnet|mlp|gradients|fisher
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

#include "framework/core/parallel.h"
#include "framework/core/random.h"
#include "framework/ops/ops.h"
#include "framework/train/mean_gradients.h"
#include "framework/train/optimizer.h"
#include "pruning/inverse/inverse.h"
#include "pruning/rows/fill_rows.h"

namespace espalier {
namespace {

struct Network {
  std::unique_ptr<Model> model;
  ImageSet images;
  Preprocessing preprocessing;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<Index> examples;
  Batch batch;

  Network(const char* name, Index count, int extent = 32, int channels = 3)
      : images{extent, extent, channels, {}, {}},
        preprocessing{
            extent, extent, {std::vector<double>(channels, 0.5), std::vector<double>(channels, 0.3)}} {
    Variant<ModelSettings> choice;
    choice.choose(name);
    model = choice->build({extent, extent, channels}, 10, 1);
    Random random(1, Random::Use::test);
    for (Index i = 0; i < count * images.image_bytes(); ++i)
      images.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
    for (Index i = 0; i < count; ++i) {
      images.labels.push_back(static_cast<std::int32_t>(i % 10));
      examples.push_back(i);
    }
    load_examples(images, preprocessing, examples, batch);
    Variant<OptimizerSettings> sgd;
    sgd.choose("sgd");
    optimizer = sgd->make(model->store());
  }
  void step() {
    Pass pass{.training = true};
    mean_gradients(cross_entropy(model->forward(batch.images, pass), batch.labels), model->store());
    optimizer->step(model->store(), 0.01, true);
  }
  std::vector<ParameterId> weights() const {
    std::vector<ParameterId> ids;
    for (std::size_t i = 0; i < model->store().infos().size(); ++i)
      if (model->store().infos()[i].role == Role::weight) ids.push_back(static_cast<ParameterId>(i));
    return ids;
  }
};

/// Gradients without a network: float32 numbers, as StoredRows holds them.
class RandomRows final : public GradientRows {
 public:
  RandomRows(Index rows, Index cols) : rows_(rows), cols_(cols) {
    Random random(2, Random::Use::test);
    for (Index i = 0; i < rows * cols; ++i) values_.push_back(static_cast<float>(random.uniform(-0.1, 0.1)));
  }
  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  bool single() const override { return true; }
  void load(Range columns, double* out) const override { copy(columns, out); }
  void load(Range columns, float* out) const override { copy(columns, out); }

 private:
  template <class T>
  void copy(Range columns, T* out) const {
    for (Index m = 0; m < rows_; ++m, out += columns.size())
      std::copy_n(values_.data() + m * cols_ + columns.begin, columns.size(), out);
  }
  Index rows_, cols_;
  std::vector<float> values_;
};

std::function<void()> workload(const char* name) {
  const auto is = [&](const char* other) { return std::strcmp(name, other) == 0; };
  if (is("train") || is("resnet")) {
    const auto net = std::make_shared<Network>(is("train") ? "cifarnet" : "resnet20", is("train") ? 4 : 1);
    return [net] { net->step(); };
  }
  if (is("mlp")) {
    const auto net = std::make_shared<Network>("mlpnet", 64, 28, 1);
    return [net] { net->step(); };
  }
  if (is("gradients")) {
    const auto net = std::make_shared<Network>("cifarnet", 8);
    const std::vector<ParameterId> layers = net->weights();
    const auto rows = std::make_shared<StoredRows>(8, layer_columns(net->model->store(), layers).back().end);
    const ImageExamples examples(net->images, net->preprocessing, net->examples);
    return [=] { fill_rows(*net->model, layers, examples, *rows); };
  }
  if (!is("fisher")) return nullptr;
  const auto rows = std::make_shared<RandomRows>(100, 5000);  // five Gram blocks
  const auto few = std::make_shared<RandomRows>(100, 90);     // and a primal one
  return [=] {
    Variant<InverseSettings> inverse;
    inverse.choose("block");
    for (const auto& g : {rows, few}) {
      const std::vector<Range> layers{{0, g->cols()}};
      const auto f = inverse->build(*g, layers, 1e-3);
      const std::vector<double> v(g->cols(), 1);
      std::vector<double> out(v.size());
      f->diagonal();
      f->apply(v, out);
    }
  };
}

}  // namespace
}  // namespace espalier

/// The name callgrind starts and stops counting at.
extern "C" __attribute__((noinline)) void counted(const std::function<void()>& work) { work(); }

int main(int argc, char** argv) {
  espalier::set_threads(1);
  const auto work = argc == 2 ? espalier::workload(argv[1]) : nullptr;
  if (!work) {
    std::fprintf(stderr, "usage: workload train|resnet|mlp|gradients|fisher\n");
    return 2;
  }
  work();
  counted(work);
  return 0;
}
