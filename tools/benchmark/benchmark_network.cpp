// benchmark_network.cpp: training steps, inference and per-example gradients of whole networks.
#include <filesystem>

#include "framework/autograd/var.h"
#include "framework/core/memory.h"
#include "framework/core/random.h"
#include "framework/infer/engine.h"
#include "framework/interchange/onnx/import.h"
#include "framework/ops/ops.h"
#include "framework/train/mean_gradients.h"
#include "pruning/rows/fill_rows.h"
#include "tools/benchmark/benchmark_jobs.h"

namespace espalier {
namespace {

constexpr std::uint64_t seed = 1;
constexpr std::size_t different_batches = 4;  // in turn, so that no batch stays in the caches
constexpr Index pergrad_examples = 1000;
constexpr double rate = 1e-3;

std::vector<Index> all_examples(Index count) {
  std::vector<Index> examples(count);
  for (std::size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<Index>(i);
  return examples;
}

std::vector<Batch> random_batches(const Model& model, Index size) {
  const ImageSet images = random_images(model, size * static_cast<Index>(different_batches));
  std::vector<Batch> batches(different_batches);
  std::vector<Index> examples(size);
  for (std::size_t b = 0; b < different_batches; ++b) {
    for (std::size_t i = 0; i < examples.size(); ++i)
      examples[i] = static_cast<Index>(b * examples.size() + i);
    load_examples(images, plain(model), examples, batches[b]);
  }
  return batches;
}

}  // namespace

const std::vector<std::string>& benchmark_models() {
  static const std::vector<std::string> names{"cifarnet", "resnet20", "mlpnet_mnist", "mlpnet_cifar"};
  return names;
}

bool is_onnx(const std::string& name) { return name.ends_with(".onnx"); }
std::string short_name(const std::string& name) {
  return is_onnx(name) ? std::filesystem::path(name).stem().string() : name;
}

std::unique_ptr<Model> benchmark_model(const std::string& name) {
  if (is_onnx(name)) {
    const Graph graph =
        onnx::import_model(onnx::read_model(name), {.output = "", .image = {224, 224, 3}}).graph;
    return std::make_unique<Model>(graph, static_cast<int>(graph.shape(graph.outputs[0]).size()), seed);
  }
  Variant<ModelSettings> model;
  model.choose(name.substr(0, name.find('_')));
  const Shape image = name == "mlpnet_mnist" ? Shape{28, 28, 1} : Shape{32, 32, 3};
  return model->build(image, 10, seed);
}

ImageSet random_images(const Model& model, Index count) {
  const Shape& s = model.image();
  ImageSet set{static_cast<int>(s[0]), static_cast<int>(s[1]), static_cast<int>(s[2]), {}, {}};
  set.pixels.resize(count * s.size());
  Random random(seed, Random::Use::synthetic);
  for (std::uint8_t& p : set.pixels) p = static_cast<std::uint8_t>(random.next() >> 56);
  for (Index i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(i % model.classes()));
  return set;
}

Preprocessing plain(const Model& model) {
  const Shape& s = model.image();
  const auto channels = static_cast<std::size_t>(s[2]);
  return {static_cast<int>(s[0]),
          static_cast<int>(s[1]),
          {std::vector<double>(channels, 0.5), std::vector<double>(channels, 0.29)}};
}

StepLoop::StepLoop(Model& model, int batch_size, bool recompute)
    : model_(model), batches_(random_batches(model, batch_size)) {
  if (recompute) recomputation_.emplace(model);
  Variant<OptimizerSettings> sgd;
  sgd.choose("sgd");
  optimizer_ = sgd->make(model.store());
}

void StepLoop::step() {
  const Batch& batch = batches_[next_++ % batches_.size()];
  Pass pass{.training = true};
  const Var logits =
      recomputation_ ? recomputation_->forward(batch.images, pass) : model_.forward(batch.images, pass);
  const Var losses = cross_entropy(logits, batch.labels);
  mean_gradients(losses, model_.store(), recomputation_ ? &*recomputation_ : nullptr);
  optimizer_->step(model_.store(), rate, true);
}

void benchmark_train(const BenchmarkOptions& options, const std::string& name, int threads) {
  for (const int size : options.batches) {
    forget_peak_memory();
    const auto model = benchmark_model(name);
    StepLoop loop(*model, size, options.recompute);
    const Timing timing = time_calls(options, threads, [&] { loop.step(); });
    print_rate(
        {"train", short_name(name), options.recompute ? "espalier,recompute" : "espalier", threads, size},
        "images/s", size, timing,
        fmt::format("peak RSS {:.0f} MiB", static_cast<double>(peak_resident_memory()) * 0x1p-20));
  }
}

void benchmark_infer(const BenchmarkOptions& options, const std::string& name, int threads) {
  const Recording off(false);
  for (const int size : options.batches) {
    const auto model = benchmark_model(name);
    const std::vector<Batch> batches = random_batches(*model, size);
    const Engine engine(model->graph(), weights_of(model->store()));
    Tensor logits = Tensor::uninitialized({size, model->classes()});
    std::size_t next = 0;
    print_rate({"infer", short_name(name), "espalier", threads, size}, "images/s", size,
               time_calls(options, threads,
                          [&] { engine.run(batches[next++ % different_batches].images, logits); }));
  }
}

void benchmark_pergrad(const BenchmarkOptions& options, const std::string& name, int threads) {
  const auto model = benchmark_model(name);
  std::vector<ParameterId> layers;
  for (std::size_t i = 0; i < model->store().infos().size(); ++i)
    if (model->store().infos()[i].role == Role::weight) layers.push_back(static_cast<ParameterId>(i));
  const ImageSet images = random_images(*model, pergrad_examples);
  const Preprocessing preprocessing = plain(*model);
  const ImageExamples examples(images, preprocessing, all_examples(pergrad_examples));
  forget_peak_memory();
  const double before = resident_memory();
  StoredRows gradients(pergrad_examples, layer_columns(model->store(), layers).back().end);
  const Timing timing = time_calls(options, threads, [&] { fill_rows(*model, layers, examples, gradients); });
  const double mib = 0x1p-20, stored = 4.0 * static_cast<double>(gradients.rows() * gradients.cols());
  const double peak = static_cast<double>(peak_resident_memory()) - before;
  print_values({"pergrad", short_name(name), "espalier", threads, 1}, "s/1000", timing.seconds,
               fmt::format("D={}; G={:.0f} MiB; peak RSS {:.0f} MiB above start{}{}", gradients.cols(),
                           stored * mib, peak * mib, timing.note.empty() ? "" : "; ", timing.note));
}

}  // namespace espalier
