#include "tools/explain/lesson_data.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/core/interrupt.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/train/checkpoint.h"
#include "framework/train/evaluate.h"
#include "pruning/explain/lesson_data.h"
#include "pruning/explain/one_weight.h"
#include "pruning/rows/row_products.h"
#include "tools/explain/lesson_layers.h"
#include "tools/explain/moments.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr int most_gradients = 400;
// Each about a second or two on two cores.
constexpr double matrix_multiply_adds = 1e11, loss_multiply_adds = 2e11 / 40;

/// As many gradients as the config asks for, but at most 400, at most what a quarter of the free memory
/// holds, and (down to 100) so few that the losses measured on their examples, some 40 passes, are cheap.
int number_of_gradients(const PruneConfig& config, const Model& model, const ImageSet& train) {
  const double row = sizeof(Real) * static_cast<double>(model.store().size());
  const double memory = 0.25 * static_cast<double>(available_memory()) / row;
  const double work = std::max(100.0, loss_multiply_adds / static_cast<double>(model.macs()));
  return std::max(1,
                  std::min({config.num_grads, most_gradients, static_cast<int>(std::min({memory, work, 1e6})),
                            static_cast<int>(train.size() / config.grad_batch_size)}));
}

/// Weights worth a look, and why: those on which magnitude and the run's criterion (WoodFisher, if it is none
/// of the four) disagree most, and some along the ranking by the latter.
std::vector<std::pair<Index, std::string>> weights_to_explain(const WeightStudy& study, std::string by) {
  const auto& all = study.saliencies();
  const auto find = [&](const std::string& name) {
    return std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.first == name; });
  };
  if (by == "magnitude" || find(by) == all.end()) by = "woodfisher";
  std::vector<Index> alive;
  for (std::size_t q = 0; q < study.pruned().size(); ++q)
    if (!study.pruned()[q]) alive.push_back(static_cast<Index>(q));
  const auto places = [&](const std::vector<double>& saliency) {
    std::vector<Index> order = alive;
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return saliency[a] < saliency[b]; });
    return order;
  };
  const std::vector<Index> ranked = places(find(by)->second), sizes = places(find("magnitude")->second);
  const auto n = static_cast<double>(alive.size());
  std::vector<double> apart(study.pruned().size(), 0.0);
  for (std::size_t i = 0; i < alive.size(); ++i) {
    apart[ranked[i]] += static_cast<double>(i) / n;
    apart[sizes[i]] -= static_cast<double>(i) / n;
  }
  std::vector<std::pair<Index, std::string>> chosen;
  const auto add = [&](Index q, std::string why) {
    if (std::none_of(chosen.begin(), chosen.end(), [&](const auto& c) { return c.first == q; }))
      chosen.emplace_back(q, std::move(why));
  };
  if (alive.empty()) return chosen;
  const auto less = [&](Index a, Index b) { return apart[a] < apart[b]; };
  add(*std::max_element(alive.begin(), alive.end(), less),
      "magnitude would remove it much earlier than " + by);
  add(*std::min_element(alive.begin(), alive.end(), less), "magnitude would remove it later than " + by);
  for (const int percent : {2, 35, 70, 98})
    add(ranked[static_cast<std::size_t>(n * percent / 100)],
        fmt::format("{} % of the weights come before it in the ranking by {}", percent, by));
  return chosen;
}

Json weight_json(WeightStudy& study, Index column, const std::string& why, const LessonRequest& request) {
  const auto q = static_cast<std::size_t>(column);
  Json w{{"name", weight_name(study.layer_of(column), column)},
         {"why", why},
         {"value", study.weights()[q]},
         {"mean_gradient", study.rows().mean()[q]},
         {"inverse_diagonal", study.inverse().diagonal()[q]},
         {"criteria", Json::array()},
         {"absorbed_by", Json::array()},
         {"removal", Json::array()}};
  if (!request.removed_later.empty()) w["removed"] = static_cast<bool>(request.removed_later[q]);
  for (const Opinion& o : study.opinions(column))
    w["criteria"].push_back({{"criterion", o.criterion}, {"score", o.saliency}, {"rank", o.rank}});
  for (const Absorber& a : study.absorbers(column, absorbers_shown))
    w["absorbed_by"].push_back({{"weight", weight_name(study.layer_of(a.column), a.column)},
                                {"value", a.value},
                                {"delta", a.delta}});
  for (const SingleRemoval& r : study.removals(column, true))
    w["removal"].push_back({{"update", r.update},
                            {"predicted_loss_change", r.predicted.change()},
                            {"predicted_with_damping", r.predicted.damped_change()},
                            {"measured_loss_change", r.measured},
                            {"held_out_loss_change", r.held_out}});
  return w;
}

/// A filter (a neuron of a linear layer) shrunk to zero.
Json line_json(const Model& model, const Examples& examples, WeightStudy& study, const LayerView& layer,
               Index filter) {
  const Index row = layer.columns.size() / layer.shape[0];
  std::vector<double> delta(study.weights().size(), 0.0);
  for (Index i = 0; i < row; ++i) {
    const auto q = static_cast<std::size_t>(layer.columns.begin + filter * row + i);
    delta[q] = -study.weights()[q];
  }
  const LossOnLine line = loss_on_line(model, examples, study, delta, 10);
  return {
      {"what", fmt::format("{} {} of {}", layer.shape.rank() == 4 ? "filter" : "neuron", filter, layer.name)},
      {"weights", row},
      {"t", rounded(line.t)},
      {"measured", rounded(line.measured)},
      {"slope", rounded(line.slope)},
      {"hessian", rounded(line.hessian)},
      {"empirical_fisher", rounded(line.empirical)}};
}

}  // namespace

std::string lesson_json(Model& model, const LoadedData& data, PruneConfig& config, std::uint64_t seed,
                        const LessonRequest& request) {
  const std::string criterion = config.criterion.type;
  config.num_grads = number_of_gradients(config, model, data.source.train);
  WeightStudy study(model, config, data, seed);
  const std::vector<double> diagonal = fisher_diagonal(study.rows());
  std::vector<Index> all(data.source.train.size());
  std::iota(all.begin(), all.end(), Index{0});
  Random(seed, Random::Use::fisher, {0}).shuffle(all);  // as `espalier curvature` draws them
  const std::vector<Index> counts =
      lesson_examples(model, static_cast<Index>(all.size()), matrix_multiply_adds);
  all.resize(counts.back());
  const ImageExamples of_matrices(data.source.train, data.preprocessing, all);

  std::vector<const LayerView*> layers;
  std::vector<ParameterId> ids;
  std::vector<LessonWeights> weights;
  std::vector<std::vector<Index>> columns;
  for (const std::size_t l : lesson_layers(study.layers().size())) {
    layers.push_back(&study.layers()[l]);
    ids.push_back(study.parameters()[l]);
    weights.push_back(choose_lesson_weights(*layers.back(), diagonal));
    columns.push_back(weights.back().columns);
    for (Index& c : columns.back()) c -= layers.back()->columns.begin;
  }
  const auto matrices = lesson_matrices(model, of_matrices, ids, columns, counts, seed);
  const std::size_t check = counts.size() > 1 ? 1 : 0;  // a few examples are enough to tell
  const ImageExamples few = of_matrices.first(counts[check]);

  Json out{{"version", 1},
           {"moment", request.moment},
           {"checkpoint", request.checkpoint},
           {"criterion", criterion},
           {"inverse", config.inverse.type},
           {"damp", study.damp()},
           {"num_grads", config.num_grads},
           {"grad_batch_size", config.grad_batch_size},
           {"loss", study.loss()},
           {"prunable_weights", std::count(study.pruned().begin(), study.pruned().end(), false)},
           {"examples", counts},
           {"layers", Json::array()},
           {"lines", Json::array()},
           {"weights", Json::array()}};
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const double error =
        hessian_product_error(model, few, ids[l], columns[l], matrices[l][check].hessian, seed);
    Json layer = layer_json(study, *layers[l], weights[l], matrices[l], request.removed_later);
    layer["hessian_error"] = rounded(error);
    layer["hessian_checked_examples"] = counts[check];
    out["layers"].push_back(std::move(layer));
  }
  for (std::size_t l = 0; l < std::min<std::size_t>(2, layers.size()); ++l)
    out["lines"].push_back(
        line_json(model, study.examples(), study, *layers[l], weights[l].filters[weights[l].best]));
  for (const auto& [column, why] : weights_to_explain(study, criterion))
    out["weights"].push_back(weight_json(study, column, why, request));
  return out.dump() + "\n";
}

namespace {

/// A lesson that fails is a note, for the run has not.
void write_or_note(const RunFolder& folder, bool quiet, FunctionRef<std::string()> text) {
  try {
    const StopAnywhere region(
        "stopped while the lesson of the finished run was made; --resume makes it anew");
    write_file_atomically(folder.lesson_data(), text());
  } catch (const Error& e) {
    if (e.code() == ExitCode::interrupted || e.code() == ExitCode::io) throw;
    if (!quiet) fmt::print(stderr, "note: {} was not written: {}\n", folder.lesson_data().string(), e.what());
  } catch (const std::exception& e) {  // also for want of memory
    if (!quiet) fmt::print(stderr, "note: {} was not written: {}\n", folder.lesson_data().string(), e.what());
  }
}

}  // namespace

void write_lesson_of_run(const RunFolder& folder, RunConfig& config, const Workbench& bench, bool quiet) {
  write_or_note(folder, quiet, [&] {
    const LessonRequest request{
        .checkpoint = "dense.safetensors",
        .moment = "before the first pruning step",
        .removed_later = PrunableLayers(*config.prune, *bench.model).pruned(bench.model->store())};
    const Preprocessing& p = bench.data.preprocessing;
    const auto dense = config.model->build({p.height, p.width, bench.data.source.train.channels},
                                           bench.data.source.classes(), config.seed, config.new_head);
    load_checkpoint(folder.path() / request.checkpoint, *dense);
    const PrunableLayers layers(*config.prune, *bench.model);
    const std::vector<bool> pruned = layers.pruned(bench.model->store());
    const auto gone = static_cast<double>(std::count(pruned.begin(), pruned.end(), true));
    const Evaluation test = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
    Json lesson = Json::parse(lesson_json(*dense, bench.data, *config.prune, config.seed, request));
    const std::string end = moment_line({.epoch = config.train.epochs,
                                         .sub_step = 0,
                                         .sparsity = gone / static_cast<double>(pruned.size()),
                                         .test_accuracy = test.accuracy,
                                         .what = "end"},
                                        *bench.model, layers, bench.data);
    lesson["slider"] = moments_json(folder, end, bench.data);
    return lesson.dump() + "\n";
  });
}

void write_lesson_of_study(const RunFolder& folder, const RunConfig& config, std::optional<PruneConfig> prune,
                           const Workbench& bench, bool quiet) {
  write_or_note(folder, quiet, [&] {
    PruneConfig measured = prune ? std::move(*prune) : PruneConfig();
    return lesson_json(*bench.model, bench.data, measured, config.seed,
                       {.checkpoint = config.checkpoint.path,
                        .moment = "as `espalier curvature` looked at it",
                        .removed_later = {}});
  });
}

}  // namespace espalier
