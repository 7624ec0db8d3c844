#include "tools/run/estimate.h"

#include <algorithm>

#include "framework/core/memory.h"
#include "framework/io/progress.h"

namespace espalier {
namespace {

// Of what is available; the rest is for the system and for what we did not count.
constexpr double headroom = 0.9;

/// Values of one example that a training step keeps: every layer's output, its gradient, and what pooling and
/// batch norm add (about as much again). An upper estimate, not an account.
double activation_values(const Model& model) {
  double values = static_cast<double>(model.image().size());
  for (const LayerCost& cost : model.costs()) values += 4.0 * static_cast<double>(cost.output.size());
  return values;
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
  e.bytes.emplace_back("parameters, gradients, masks, optimizer",
                       5.0 * sizeof(Real) * static_cast<double>(model.store().size()));
  // Passes that keep their graph: a batch of training, 64 examples at a time for gradients.
  double examples = config.train.epochs > 0 ? std::min<double>(config.train.batch_size, images) : 0;
  if (pruner && config.prune->needs_gradients())
    examples = std::max(examples,
                        std::min(64.0, double{1} * config.prune->num_grads * config.prune->grad_batch_size));
  e.bytes.emplace_back("activations of a training step", sizeof(Real) * activation_values(model) * examples);
  if (bench.data.source.train.pictures || bench.data.source.test.pictures) {
    const PictureMemory pictures = picture_memory(bench.data);
    e.streamed = true;
    e.bytes.emplace_back("images kept (data.cache_mb)", pictures.kept);
    e.bytes.emplace_back(fmt::format("pictures being decoded ({} workers)", pictures.workers),
                         pictures.reading);
    e.bytes.emplace_back("batches that wait and are trained on",
                         2.0 * sizeof(Real) * static_cast<double>(model.image().size()) *
                             std::min<double>(config.train.batch_size, images));
  }
  e.training_flop = 6 * macs * images * config.train.epochs;
  e.available = static_cast<double>(available_memory());
  if (pruner && config.prune->needs_gradients()) {
    const PruneConfig& p = *config.prune;
    const auto d = static_cast<double>(pruner->weights()), n = static_cast<double>(p.num_grads);
    e.rows = p.num_grads;
    const double gradients = n * d * sizeof(Real);
    const auto inverse = static_cast<double>(p.inverse_memory(p.num_grads, pruner->columns()));
    e.bytes.emplace_back(fmt::format("gradient matrix G ({} x {})", format_count(p.num_grads),
                                     format_count(pruner->weights())),
                         gradients);
    e.bytes.emplace_back("inverse of the Fisher", inverse);
    const double steps = static_cast<double>(pruner->events().size()) * p.num_recomputations.value_or(8);
    e.pruning_flop = steps * (6 * macs * n * p.grad_batch_size + 2 * n * n * d);
    const double rest = e.total() - gradients - inverse;
    int fits = p.num_grads;
    while (fits > 1 &&
           rest + fits * d * sizeof(Real) + static_cast<double>(p.inverse_memory(fits, pruner->columns())) >
               headroom * e.available)
      fits = fits * 9 / 10;
    e.largest_rows = fits;
  }
  return e;
}

std::string describe(const Estimate& e) {
  std::string text = fmt::format("\nEstimate (upper bounds; the data {})\n",
                                 e.streamed ? "are decoded when they are needed" : "are already in memory");
  for (const auto& [name, b] : e.bytes) text += fmt::format("  {:<48} {:>10}\n", name, format_bytes(b));
  text += fmt::format("  {:<48} {:>10}  of {} available\n", "memory in all", format_bytes(e.total()),
                      format_bytes(e.available));
  text += fmt::format("  {:<48} {:>10.3g} TFLOP\n", "training", e.training_flop / 1e12);
  text += fmt::format("  {:<48} {:>10.3g} TFLOP\n", "pruning steps", e.pruning_flop / 1e12);
  return text;
}

void require_fit(const Estimate& e) {
  if (e.total() <= headroom * e.available) return;
  const std::string advice =
      e.largest_rows > 0 && e.largest_rows < e.rows
          ? fmt::format("\"prune.num_grads\": {} would fit (now {})", e.largest_rows, e.rows)
          : std::string("use a smaller train.batch_size or model");
  fail(ExitCode::memory, "the run needs about {} and {} is available (90 % may be used); {}.\n{}",
       format_bytes(e.total()), format_bytes(e.available), advice, describe(e));
}

}  // namespace espalier
