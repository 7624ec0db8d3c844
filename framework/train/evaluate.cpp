#include "framework/train/evaluate.h"

#include <algorithm>
#include <numeric>

#include "framework/core/random.h"
#include "framework/infer/engine.h"
#include "framework/ops/ops.h"

namespace espalier {

double sum(const Tensor& t) {
  double total = 0;
  for (const Real v : t.values()) total += static_cast<double>(v);
  return total;
}

Index count_correct(const Tensor& logits, std::span<const std::int32_t> labels) {
  const Index classes = logits.shape()[1];
  Index correct = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const Real* row = logits.data() + static_cast<Index>(n) * classes;
    correct += std::max_element(row, row + classes) - row == labels[n];
  }
  return correct;
}

Index images_per_pass(Index height, Index width) {
  return std::clamp<Index>(250 * 64 * 64 / std::max<Index>(height * width, 1), 8, 250);
}

void for_each_batch(const Engine& engine, const ImageSet& set, const Preprocessing& preprocessing,
                    Index batch_size, FunctionRef<void(const Tensor&, const Batch&)> use) {
  const Recording off(false);
  if (batch_size == 0) batch_size = images_per_pass(preprocessing.height, preprocessing.width);
  Batch batch;
  std::vector<Index> examples;
  for (Index first = 0; first < set.size(); first += batch_size) {
    examples.resize(std::min(batch_size, set.size() - first));
    std::iota(examples.begin(), examples.end(), first);
    load_examples(set, preprocessing, examples, batch);
    use(engine(batch.images), batch);
  }
}

Evaluation evaluate(const Model& model, const ImageSet& set, const Preprocessing& preprocessing,
                    int batch_size) {
  return evaluate(Engine(model.graph(), weights_of(model.store())), set, preprocessing, batch_size);
}

Evaluation evaluate(const Engine& engine, const ImageSet& set, const Preprocessing& preprocessing,
                    int batch_size) {
  Evaluation total;
  for_each_batch(engine, set, preprocessing, batch_size, [&](const Tensor& logits, const Batch& batch) {
    total.loss += sum(cross_entropy(Var(logits), batch.labels).value());
    total.accuracy += static_cast<double>(count_correct(logits, batch.labels));
  });
  const auto n = static_cast<double>(set.size());
  return {total.loss / n, total.accuracy / n};
}

std::vector<std::int32_t> predicted_classes(const Model& model, const ImageSet& set,
                                            const Preprocessing& preprocessing, Index most) {
  const Recording off(false);
  const Engine engine(model.graph(), weights_of(model.store()));
  const Index count = most > 0 ? std::min(most, set.size()) : set.size();
  const Index per_pass = images_per_pass(preprocessing.height, preprocessing.width);
  std::vector<std::int32_t> classes;
  Batch batch;
  for (Index first = 0; first < count; first += per_pass) {
    std::vector<Index> examples(std::min(per_pass, count - first));
    std::iota(examples.begin(), examples.end(), first);
    load_examples(set, preprocessing, examples, batch);
    const Tensor logits = engine(batch.images);
    const Index width = logits.shape()[1];
    const Real* row = logits.data();
    for (std::size_t n = 0; n < examples.size(); ++n, row += width)
      classes.push_back(static_cast<std::int32_t>(std::max_element(row, row + width) - row));
  }
  return classes;
}

double mean_loss(const Model& model, const Examples& examples) {
  const Index per_pass = images_per_pass(model.image()[0], model.image()[1]);
  const Recording off(false);
  const Engine engine(model.graph(), weights_of(model.store()));
  double loss = 0;
  Batch batch;
  for (Index first = 0; first < examples.size(); first += per_pass) {
    examples.load({first, std::min(first + per_pass, examples.size())}, batch);
    const Var losses = cross_entropy(Var(engine(batch.images)), batch.labels);
    for (const Real l : losses.value().values()) loss += static_cast<double>(l);
  }
  return loss / static_cast<double>(examples.size());
}

void recalibrate_batch_norm(Model& model, const LoadedData& data, Index examples, std::uint64_t seed,
                            int batch_size) {
  if (model.store().statistic_infos().empty()) return;
  const ImageSet& set = data.source.train;
  std::vector<Index> order(set.size());
  std::iota(order.begin(), order.end(), Index{0});
  Random(seed, Random::Use::recalibrate).shuffle(order);
  if (examples > 0 && examples < set.size()) order.resize(examples);
  const Recording off(false);
  // Batches count alike, so they are cut alike: 251 images are 126 and 125, not 250 and 1 that weighs as
  // much.
  if (batch_size == 0)  // more than are evaluated at a time: statistics of few images are poor
    batch_size = static_cast<int>(
        std::min<Index>(250, 4 * images_per_pass(data.preprocessing.height, data.preprocessing.width)));
  const std::size_t count = order.size(), most = static_cast<std::size_t>(batch_size),
                    batches = (count + most - 1) / most, size = (count + batches - 1) / batches;
  Batch batch;
  for (std::size_t first = 0, at = 1; first < count; first += size, ++at) {
    load_examples(set, data.preprocessing, std::span(order).subspan(first, std::min(size, count - first)),
                  batch, data.augmentation, seed);
    Pass pass{.training = true, .statistics_momentum = 1.0 / static_cast<double>(at)};  // the running mean
    model.forward(batch.images, pass);
  }
}

}  // namespace espalier
