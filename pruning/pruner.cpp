#include "pruning/pruner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/random.h"
#include "framework/io/atomic_file.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/gradient_matrix.h"

namespace espalier {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Examples named in a file: [3, 1, ...] or {"indices": [3, 1, ...]}.
std::vector<Index> read_indices(const std::string& path) {
  const auto json = nlohmann::json::parse(read_whole_file(path, ExitCode::data), nullptr, false);
  const auto& list = json.is_object() && json.contains("indices") ? json["indices"] : json;
  if (!list.is_array() || list.empty())
    fail(ExitCode::data,
         "{}: prune.index_file must hold a JSON list of example numbers, or an object with \"indices\"",
         path);
  std::vector<Index> indices;
  for (const auto& v : list) {
    if (!v.is_number_integer()) fail(ExitCode::data, "{}: {} is no example number", path, v.dump());
    indices.push_back(v.get<Index>());
  }
  return indices;
}

/// The weights of the pruned layers in float64, in column order, and back.
std::vector<double> gather(std::span<const Real> values, const ParameterStore& store,
                           const std::vector<ParameterId>& layers) {
  std::vector<double> w;
  for (const ParameterId id : layers) {
    const Range r = store.infos()[static_cast<std::size_t>(id)].range;
    w.insert(w.end(), values.begin() + r.begin, values.begin() + r.end);
  }
  return w;
}

}  // namespace

Pruner::Pruner(const PruneConfig& config, const Model& model, int epochs)
    : config_(config), events_(config.schedule->events()) {
  const auto& infos = model.store().infos();
  std::vector<ParameterId> candidates;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].role != Role::weight) continue;
    candidates.push_back(static_cast<ParameterId>(i));
    std::string name = infos[i].name;
    if (name.ends_with(".weight")) name.resize(name.size() - 7);
    names.push_back(name);
  }
  Index column = 0;
  for (const std::size_t c : match_names(names, config.include, config.exclude)) {
    const Index size = infos[static_cast<std::size_t>(candidates[c])].range.size();
    layers_.push_back(candidates[c]);
    names_.push_back(names[c]);
    columns_.push_back({column, column + size});
    column += size;
  }
  if (layers_.empty())
    fail(ExitCode::config, "prune: include and exclude leave no layer to prune (the model has {})",
         fmt::join(names, ", "));
  for (const ScheduleEvent& e : events_)
    if (e.epoch > epochs)
      fail(ExitCode::config,
           "prune.schedule: a step is due at epoch {}, but train.epochs is {}; the target sparsity would "
           "never be reached",
           e.epoch, epochs);
  if (!config.index_file.empty()) {
    index_file_ = read_indices(config.index_file);
    const auto needed =
        static_cast<std::size_t>(config.num_grads) * static_cast<std::size_t>(config.grad_batch_size);
    if (index_file_.size() < needed)
      fail(ExitCode::config, "prune.index_file {} names {} examples; num_grads x grad_batch_size needs {}",
           config.index_file, index_file_.size(), needed);
  }
}

bool Pruner::finished(int epoch) const { return events_.empty() || epoch >= events_.back().epoch; }

std::vector<PrunedLayer> Pruner::layer_sparsity(const ParameterStore& store) const {
  std::vector<PrunedLayer> result;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Range r = store.infos()[static_cast<std::size_t>(layers_[l])].range;
    const auto mask =
        store.mask().subspan(static_cast<std::size_t>(r.begin), static_cast<std::size_t>(r.size()));
    result.push_back({names_[l], r.size(), std::count(mask.begin(), mask.end(), Real(0))});
  }
  return result;
}

std::vector<Index> Pruner::draw_examples(const ImageSet& train, std::uint64_t seed, int epoch,
                                         int step) const {
  const Index needed = Index{config_.num_grads} * config_.grad_batch_size;
  std::vector<Index> examples = index_file_;
  if (examples.empty()) {
    if (needed > train.size())
      fail(ExitCode::config, "prune: num_grads x grad_batch_size is {}, the training set has {} examples",
           needed, train.size());
    examples.resize(static_cast<std::size_t>(train.size()));
    for (std::size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<Index>(i);
    const auto draw = static_cast<std::uint64_t>(config_.fresh_examples ? 1 + epoch * 1000 + step : 0);
    Random(seed, Random::Use::fisher, {draw}).shuffle(examples);
  }
  examples.resize(static_cast<std::size_t>(needed));
  for (const Index i : examples)
    if (i < 0 || i >= train.size())
      fail(ExitCode::data, "{}: example {} is not in the training set of {} images", config_.index_file, i,
           train.size());
  return examples;
}

bool Pruner::on_epoch(Trainer& trainer, int epoch) {
  bool changed = false;
  for (const ScheduleEvent& event : events_) {
    if (event.epoch != epoch) continue;
    RunContext& run = trainer.context();
    if (&event == &events_.front())
      save_checkpoint(run.folder.path() / "dense.safetensors", run.model, {{"epoch", std::to_string(epoch)}});
    Index weights = 0, pruned = 0;
    for (const PrunedLayer& l : layer_sparsity(run.model.store())) weights += l.weights, pruned += l.pruned;
    const double now = static_cast<double>(pruned) / static_cast<double>(weights);
    const auto levels =
        sub_levels(now, event.sparsity, config_.num_recomputations, config_.recomputation_levels);
    for (std::size_t i = 0; i < levels.size(); ++i) prune_to(trainer, levels[i], epoch, static_cast<int>(i));
    changed = true;
  }
  return changed;
}

void Pruner::prune_to(Trainer& trainer, double sparsity, int epoch, int step) {
  RunContext& run = trainer.context();
  ParameterStore& store = run.model.store();
  const ImageSet& train = run.data.source.train;
  const Preprocessing& preprocessing = run.data.preprocessing;
  const double started = seconds_now();
  const Score before = trainer.evaluate_test();

  // G, and what the criterion asks of it.
  const std::vector<Index> examples = draw_examples(train, run.seed, epoch, step);
  const std::vector<double> w = gather(store.values(), store, layers_);
  std::optional<GradientMatrix> gradients;
  std::vector<double> g, h;
  std::unique_ptr<FisherInverse> inverse;
  PruneState state{.w = w};
  double loss_before = 0;
  const double gradients_started = seconds_now();
  if (config_.needs_gradients()) {
    gradients.emplace(store, layers_, config_.num_grads);
    loss_before = gradients->fill(run.model, train, preprocessing, examples);
    g = gradients->mean();
    state.rows = &*gradients;
    if (config_.criterion->uses_step()) state.g = g;
  } else {
    loss_before = mean_loss(run.model, train, preprocessing, examples);
  }
  const double solve_started = seconds_now();
  if (config_.criterion->needs_inverse()) {
    inverse = config_.inverse->build(*gradients, columns_, config_.damp);
    state.inverse = inverse.get();
  }
  double norm = 0;
  for (const double v : w) norm += v * v;
  const UpdateSettings update{.inverse = config_.inverse.settings.get(),
                              .layers = columns_,
                              .damp = config_.damp,
                              .step_damp = config_.step_damp,
                              .step_limit = config_.step_limit * std::sqrt(norm),
                              .step_search = config_.step_search};
  if (config_.criterion->uses_step()) state.step = h = gradient_step(*gradients, g, update, {}, *gradients);

  // Score, select, compensate.
  std::vector<double> scores(w.size());
  config_.criterion->score(state, scores);
  const std::vector<double> mask = gather(store.mask(), store, layers_);
  std::vector<bool> pruned(w.size());
  for (std::size_t q = 0; q < w.size(); ++q) pruned[q] = mask[q] == 0;
  const std::vector<bool> removed = select(scores, pruned, sparsity, columns_, names_, config_.selection);
  const std::vector<double> delta = compensate(state, removed, config_.update, update);
  Prediction prediction;
  if (gradients) prediction = predict(*gradients, g, delta, config_.damp);
  const double solved = seconds_now();

  // Into the network: survivors move, removed weights and their momentum are exactly zero.
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Range r = store.infos()[static_cast<std::size_t>(layers_[l])].range;
    for (Index j = 0; j < r.size(); ++j) {
      const auto q = static_cast<std::size_t>(columns_[l].begin + j),
                 at = static_cast<std::size_t>(r.begin + j);
      store.values()[at] = removed[q] ? Real(0) : static_cast<Real>(w[q] + delta[q]);
      store.mask()[at] = removed[q] ? Real(0) : Real(1);
    }
  }
  for (const auto& [name, values] : trainer.optimizer().state())
    for (std::size_t i = 0; i < values.size(); ++i)
      if (store.mask()[i] == 0) values[i] = 0;
  const double loss_after = mean_loss(run.model, train, preprocessing, examples);
  if (config_.recalibrate_batch_norm)
    recalibrate_batch_norm(run.model, train, preprocessing, config_.recalibration_examples, run.seed);
  trainer.weights_changed();
  const Score after = trainer.evaluate_test();

  const auto total = static_cast<double>(w.size());
  const auto share = [&](const std::vector<bool>& set) {
    return static_cast<double>(std::count(set.begin(), set.end(), true)) / total;
  };
  MetricsRow row{{"event", "prune"},
                 {"epoch", epoch},
                 {"sub_step", step + 1},
                 {"sparsity_before", share(pruned)},
                 {"sparsity", share(removed)},
                 {"train_loss_before", loss_before},
                 {"train_loss_after", loss_after},
                 {"measured_loss_change", loss_after - loss_before}};
  if (gradients) {
    row.push_back({"predicted_loss_change", prediction.change()});
    row.push_back({"predicted_with_damping", prediction.damped_change()});
  }
  row.insert(row.end(), {{"test_accuracy_before", before.accuracy},
                         {"test_loss", after.loss},
                         {"test_accuracy", after.accuracy},
                         {"seconds", seconds_now() - started},
                         {"gradient_seconds", solve_started - gradients_started},
                         {"solve_seconds", solved - solve_started}});
  for (const PrunedLayer& layer : layer_sparsity(store))
    row.push_back(
        {"sparsity." + layer.name, static_cast<double>(layer.pruned) / static_cast<double>(layer.weights)});
  run.metrics.append(row);
  if (!run.quiet)
    fmt::print(
        stderr,
        "pruned to {:.2f} % after {} epochs: test accuracy {:.2f} -> {:.2f} %, loss change {:+.4f}{} ({})\n",
        100 * share(removed), epoch, 100 * before.accuracy, 100 * after.accuracy, loss_after - loss_before,
        gradients ? fmt::format(" (predicted {:+.4f})", prediction.change()) : "",
        format_duration(seconds_now() - started));
  if (!std::isfinite(loss_after))
    fail(ExitCode::numeric,
         "the loss is not finite after pruning to {:.2f} %: the update was too large for the quadratic "
         "model; raise "
         "prune.damp or prune.step_damp, or use more prune.num_recomputations",
         100 * share(removed));
}

}  // namespace espalier
