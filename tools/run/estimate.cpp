#include "tools/run/estimate.h"

#include <algorithm>
#include <cmath>

#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/io/progress.h"
#include "framework/train/recompute.h"

namespace espalier {
namespace {

// Of what is available; the rest is for the system and for what we did not count.
constexpr double headroom = 0.9;

/// Values of one example in memory while a recorded pass and its reverse pass run: what is kept until it is read again,
/// and gradients of the largest values while they are made.
double pass_values(const Model& model, double kept) {
  const Graph& graph = model.running();
  Index largest = 0;
  for (const Value& value : graph.values) largest = std::max(largest, value.shape.size());
  return kept + static_cast<double>(model.image().size()) + 3.0 * static_cast<double>(largest);
}

/// Bytes of the passes that keep their graph.
double activations(const RunConfig& config, const Model& model, double images, bool needs_gradients) {
  double values = 0;
  if (config.train.epochs > 0) {
    const Index kept = config.train.recompute ? Recomputation(model).kept_values() : model.recorded_values(true);
    values = std::min<double>(config.train.batch_size, images) * pass_values(model, static_cast<double>(kept));
  }
  if (needs_gradients) {  // every thread takes some examples from the images to G
    const double examples = std::min(static_cast<double>(model.examples_in_cache()) * threads(),
                                     double{1} * config.prune->num_grads * config.prune->grad_batch_size);
    values = std::max(values,
                      examples * pass_values(model, static_cast<double>(model.recorded_values(false))));
  }
  return sizeof(Real) * values;
}

}  // namespace

double Estimate::total() const {
  double sum = 0;
  for (const auto& [name, b] : bytes) sum += b;
  return sum;
}

Estimate estimate_run(const RunConfig& config, const Workbench& bench, const Pruner* pruner) {
  Estimate e;
  const Model& model = *bench.model;
  const auto images = static_cast<double>(bench.data.source.train.size());
  const auto macs = static_cast<double>(model.macs());
  const auto parameters = static_cast<double>(model.store().size());
  e.bytes.emplace_back("parameters, gradients, masks, optimizer", 4 * sizeof(Real) * parameters);
  e.bytes.emplace_back("weights in the order in which evaluation reads them", 3 * sizeof(Real) * parameters);
  e.bytes.emplace_back("activations of passes with gradients",
                       activations(config, model, images, pruner && config.prune->needs_gradients()));
  if (bench.data.source.train.pictures || bench.data.source.test.pictures) {
    const PictureMemory pictures = picture_memory(bench.data);
    e.streamed = true;
    e.kept = pictures.kept;
    e.bytes.emplace_back("images kept (data.cache_mb)", pictures.kept);
    e.bytes.emplace_back(fmt::format("pictures being decoded ({} workers)", pictures.workers),
                         pictures.reading);
    e.bytes.emplace_back("batches that wait and are trained on",
                         2.0 * sizeof(Real) * static_cast<double>(model.image().size()) *
                             std::min<double>(config.train.batch_size, images));
  }
  e.training_flop = 6 * macs * images * config.train.epochs;
  if (pruner && config.baseline == Baseline::equal_budget) e.twin_flop = e.training_flop;
  e.available = static_cast<double>(available_memory());
  if (pruner && config.prune->needs_gradients()) {
    const PruneConfig& p = *config.prune;
    const auto d = static_cast<double>(pruner->weights()), n = static_cast<double>(p.num_grads);
    e.rows = p.num_grads;
    const double row = p.gradients_in_file ? 0 : d * sizeof(Real), gradients = n * row;
    const auto inverse = static_cast<double>(p.inverse_memory(p.num_grads, pruner->columns()));
    e.bytes.emplace_back(fmt::format("gradient matrix G ({} x {}{})", format_count(p.num_grads),
                                     format_count(pruner->weights()), p.gradients_in_file ? ", in a file" : ""),
                         gradients);
    e.bytes.emplace_back("inverse of the Fisher", inverse);
    // Weights, mean gradient, saliencies, their order, moves: seven at a time.
    e.bytes.emplace_back("vectors of the pruning step, float64", 7 * sizeof(double) * d);
    const double steps = static_cast<double>(pruner->events().size()) * p.num_recomputations.value_or(8);
    e.pruning_flop = steps * (6 * macs * n * p.grad_batch_size + 2 * n * n * d);
    const double rest = e.total() - gradients - inverse;
    int fits = p.num_grads;
    while (fits > 1 &&
           rest + fits * row + static_cast<double>(p.inverse_memory(fits, pruner->columns())) >
               headroom * e.available)
      fits = fits * 9 / 10;
    e.largest_rows = fits;
  }
  return e;
}

std::string describe(const Estimate& e) {
  std::string text = fmt::format("\nEstimate (upper bounds; the data {})\n",
                                 e.streamed ? "are decoded when they are needed" : "are already in memory");
  for (const auto& [name, b] : e.bytes) text += fmt::format("  {:<52} {:>10}\n", name, format_bytes(b));
  text += fmt::format("  {:<52} {:>10}  of {} available\n", "memory in all", format_bytes(e.total()),
                      format_bytes(e.available));
  text += fmt::format("  {:<52} {:>10.3g} TFLOP\n", "training", e.training_flop / 1e12);
  text += fmt::format("  {:<52} {:>10.3g} TFLOP\n", "pruning steps", e.pruning_flop / 1e12);
  if (e.twin_flop > 0)
    text += fmt::format("  {:<52} {:>10.3g} TFLOP\n", "dense twin of equal budget, unless it is there", e.twin_flop / 1e12);
  return text;
}

void require_fit(const Estimate& e) {
  if (e.total() <= headroom * e.available) return;
  const double too_much = e.total() - headroom * e.available;
  const std::string advice =
      e.kept > too_much
          ? fmt::format("\"data.cache_mb\": {:.0f} would fit; images are then decoded more often",
                        std::floor((e.kept - too_much) / 1e6))
      : e.largest_rows > 0 && e.largest_rows < e.rows
          ? fmt::format("\"prune.num_grads\": {} would fit (now {})", e.largest_rows, e.rows)
          : std::string("use a smaller train.batch_size or model");
  fail(ExitCode::memory, "the run needs about {} and {} is available (90 % may be used); {}.\n{}",
       format_bytes(e.total()), format_bytes(e.available), advice, describe(e));
}

}  // namespace espalier
