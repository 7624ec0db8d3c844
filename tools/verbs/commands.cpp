// commands.cpp: the verbs. Each reads the config, prepares data and network, runs, and reports.
#include "tools/verbs/commands.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "framework/config/schema.h"
#include "framework/config/writer.h"
#include "framework/core/interrupt.h"
#include "framework/core/parallel.h"
#include "framework/infer/engine.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/step/pruner.h"
#include "tools/explain/explain_schema.h"
#include "tools/explain/lesson_data.h"
#include "tools/report/report.h"
#include "tools/run/class_results.h"
#include "tools/run/estimate.h"
#include "tools/run/network_record.h"
#include "tools/run/oddities.h"
#include "tools/run/resume.h"
#include "tools/run/rows.h"
#include "tools/run/session.h"
#include "tools/run/summary.h"
#include "tools/verbs/dense_twin.h"
#include "tools/verbs/plan_table.h"
#include "tools/verbs/seeds.h"

namespace espalier {
namespace {

/// Said whatever --quiet is: these are no progress.
void say_notices(const std::vector<std::string>& notices) {
  for (const std::string& n : notices) fmt::print(stderr, "note: {}\n", n);
}

/// The state of the network at the end.
DoneRow final_row(Trainer& trainer, const Pruner* pruner) {
  const Model& model = trainer.context().model;
  const Evaluation test = trainer.evaluate_test();
  DoneRow row;
  row.test_loss = test.loss;
  row.test_accuracy = test.accuracy;
  row.test_images = trainer.context().data.source.test.size();
  row.multiply_adds = model.macs();
  if (trainer.best_epoch() > 0) {
    row.best_epoch = trainer.best_epoch();
    row.best_test_accuracy = trainer.best_accuracy();
  }
  if (trainer.ended_early()) row.epochs_trained = trainer.epochs_trained();
  const WeightCount all = count_weights(model.store());
  row.unmasked_zeros = all.zeros;
  Index weights = pruner ? 0 : all.weights, pruned = pruner ? 0 : all.pruned;
  double macs_pruned = 0;
  for (const PrunedLayer& layer :
       pruner ? pruner->layer_sparsity(model.store()) : std::vector<PrunedLayer>()) {
    weights += layer.weights;
    pruned += layer.pruned;
    macs_pruned += layer.macs_pruned;
    row.sparsities.emplace_back(layer.name,
                                static_cast<double>(layer.pruned) / static_cast<double>(layer.weights));
    row.layer_weights.emplace_back(layer.name, layer.weights);
  }
  row.weights = weights;
  row.sparsity = static_cast<double>(pruned) / static_cast<double>(weights);
  row.sparsity_of_all_parameters = static_cast<double>(pruned) / static_cast<double>(model.store().size());
  if (pruner) row.multiply_adds_kept = model.macs() - std::llround(macs_pruned);
  return row;
}

ClassEvaluation test_by_class(const Workbench& bench) {
  const Engine engine(bench.model->graph(), weights_of(bench.model->store()));
  return evaluate_classes(engine, bench.data.source.test, bench.data.preprocessing);
}

std::string text_of(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// Says what will run, and on what.
void introduce(const CommandOptions& options, const RunConfig& config, const Workbench& bench) {
  say(options,
      fmt::format(
          "{}: {} parameters, {} multiply-adds an image; {} training and {} test images; {} thread(s)",
          config.model.type, format_count(bench.model->store().size()), format_count(bench.model->macs()),
          format_count(bench.data.source.train.size()), format_count(bench.data.source.test.size()),
          threads()));
}

/// Makes the folder the run's own: a new run finds nothing of another in it, a resumed one its own.
void settle_folder(RunFolder& folder, const CommandOptions& options, bool resuming) {
  const std::vector<std::filesystem::path> earlier = folder.earlier_files();
  if (resuming || earlier.empty()) return;
  // Without a state and a checkpoint it was stopped before there was anything to go on with.
  std::error_code unknown;
  const bool hardly_begun = options.resume && !std::filesystem::exists(folder.checkpoint(), unknown);
  if (!options.overwrite && !options.replace_other && !hardly_begun)
    fail(
        ExitCode::usage,
        "{}: holds an earlier run ({}{}); --resume goes on with it, --overwrite replaces it, --output puts this "
        "one elsewhere",
        folder.path().string(), earlier.front().filename().string(), earlier.size() > 1 ? ", ..." : "");
  if (!hardly_begun)
    say(options, fmt::format("note: {} holds an earlier run, which is replaced", folder.path().string()));
  folder.clear();
}

/// Inputs that lie where the run would write.
void keep_inputs(const RunConfig& config, const CommandOptions& options, bool resuming) {
  const std::filesystem::path folder = run_directory(config);
  if (!resuming) RunFolder::keep_from(folder, options.config, "the config");
  if (!config.checkpoint.empty() && !resuming)
    RunFolder::keep_from(folder, config.checkpoint.path, "the checkpoint");
  if (config.prune && !config.prune->index_file.empty())
    RunFolder::keep_from(folder, config.prune->index_file, "prune.index_file");
}

/// Takes up a run from its state; says what is another than it was.
void take_up(Trainer& trainer, RunConfig& config, const CommandOptions& options,
             const std::string& resolved) {
  RunContext& context = trainer.context();
  std::vector<std::string> changes;
  const std::string sets = trainer.instruction_sets();
  trainer.resume({.accept =
                      [&](const ResumePoint& point) {
                        changes = accept_changes(point, config, resolved, context.metrics.rows(),
                                                 context.folder.state());
                      },
                  .other_instruction_set = options.other_instruction_set});
  if (trainer.instruction_sets() != sets)
    changes.push_back(fmt::format("instruction set: {}", trainer.instruction_sets()));
  if (changes.empty()) return;
  RunFolder::keep_from(context.folder.path(), options.config, "the config");
  for (const std::string& change : changes) {
    fmt::print(stderr, "note: resumed with {}\n", change);
    context.metrics.append(to_row(NoticeRow{"resumed with " + change}));
  }
  config.provenance.threads = threads();
  config.provenance.instruction_set = trainer.instruction_sets();
  write_file_atomically(context.folder.config(), resolved_json(config) + "\n");
}

/// A finished run whose config asks for a twin since.
bool lacks_twin(const std::vector<MetricsRow>& rows) {
  const std::optional<DoneRow> done = rows.empty() ? std::nullopt : read_row<DoneRow>(rows.back());
  return done && !done->twin_test_accuracy;
}

void run(const CommandOptions& options, bool with_pruning) {
  end_on_signals();  // nothing to save while the data load
  RunConfig config = read_run_config(options);
  if (with_pruning && !config.prune)
    fail(
        ExitCode::config,
        "{}: has no \"prune\" section, which `espalier prune` needs; `espalier train` trains a dense network",
        options.config);
  if (!with_pruning && config.prune) {
    say(options, "note: the \"prune\" section is ignored by `espalier train`");
    config.prune.reset();
  }
  const std::filesystem::path where = run_directory(config);
  const std::string verb = with_pruning ? "prune" : "train";
  std::error_code unknown;
  const std::filesystem::path state = run_directory(config) / "state.safetensors";
  bool resuming = options.resume && std::filesystem::exists(state, unknown);
  keep_inputs(config, options, resuming);
  // A state has all there is to know of its run's weights and images.
  Workbench bench = prepare(config, resuming ? Start{.described_by = state.string()} : beginning_of(config));
  set_provenance(config, verb);
  if (resuming && options.replace_other && !goes_on(where, config, Earlier::resume_or_replace)) {
    resuming = false;  // another run's, which is to be replaced
    bench = prepare(config, beginning_of(config));
    set_provenance(config, verb);
  }
  std::optional<Pruner> pruner;
  if (config.prune) pruner.emplace(*config.prune, *bench.model, config.train.epochs);
  if (pruner) pruner->check(bench.data.source.train, bench.model->store());
  std::vector<std::string> notices = bench.notices;
  const auto add = [&](const std::vector<std::string>& more) {
    notices.insert(notices.end(), more.begin(), more.end());
  };
  add(oddities(config));
  if (pruner) add(pruner->notices());
  add(zeros_without_masks(*bench.model));
  say_notices(notices);

  const Estimate estimate = estimate_run(config, bench, pruner ? &*pruner : nullptr);
  if (options.dry_run) fmt::print("{}\n{}", resolved_json(config), describe(estimate));
  require_fit(estimate);

  if (options.dry_run) return;
  RunFolder folder(where);
  const std::string resolved = resolved_json(config);
  settle_folder(folder, options, resuming);
  if (!resuming) record_config(folder, config);
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0, config.train.tensorboard);
  RunContext context{*bench.model, bench.data, folder,        metrics,
                     config.seed,  resolved,   options.quiet, network_json(config, bench.data)};
  Trainer trainer(context, config.train);
  if (resuming)
    take_up(trainer, config, options, resolved);
  else
    for (const std::string& n : notices) metrics.append(to_row(NoticeRow{n}));
  const bool complete = trainer.complete() && !(wants_twin(config) && lacks_twin(metrics.rows()));
  if (complete) {
    say(options, fmt::format("{} is complete and up to date", folder.path().string()));
  } else {
    introduce(options, config, bench);
    if (wants_twin(config)) say(options, twin_cost(config, folder.path()));
    stop_gently_on_signals();
    trainer.run(pruner ? &*pruner : nullptr);
    write_file_atomically(folder.evaluation(),
                          text_of(classes_json(test_by_class(bench), bench.data.source.class_names), -1));
    DoneRow row = final_row(trainer, pruner ? &*pruner : nullptr);
    if (wants_twin(config)) compare_with_twin(options, config, bench, folder.path(), row);
    if (trainer.complete()) trainer.reopen();  // its "done" is said anew, with the twin
    metrics.append(to_row(row));
    trainer.mark_complete();
  }
  if (!options.summary) return;
  if (pruner && !(complete && std::filesystem::exists(folder.lesson_data(), unknown)))
    write_lesson_of_run(folder, config, bench, options.quiet);
  fmt::print("{}", summary(folder, metrics));
  if (!options.no_report) fmt::print("{}", report_line(folder.path()));
}

}  // namespace

void train_command(const CommandOptions& options) {
  options.seeds.empty() ? run(options, false) : run_seeds(options, train_command);
}
void prune_command(const CommandOptions& options) {
  options.seeds.empty() ? run(options, true) : run_seeds(options, prune_command);
}

void evaluate_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  Start start = start_to_read(options, config);
  const std::string& checkpoint = start.checkpoint.path;
  if (checkpoint.empty())
    fail(ExitCode::usage,
         "no checkpoint to evaluate: {} does not exist; give --checkpoint FILE, or --output with the folder "
         "of a run",
         (run_directory(config) / "checkpoint.safetensors").string());
  start.test_only = start.same_classes = true;
  const Workbench bench = prepare(config, start);
  say_notices(bench.notices);
  const ClassEvaluation by_class = test_by_class(bench);
  const Evaluation& score = by_class.all;
  if (!std::isfinite(score.loss))
    fail(ExitCode::numeric,
         "{}: the test loss is {}; the weights, or data.normalize, are too large for float32", checkpoint,
         score.loss);
  const WeightCount count = count_weights(bench.model->store());
  say(options, checkpoint);
  if (options.json) {
    nlohmann::ordered_json json{{"checkpoint", checkpoint}};
    json.update(classes_json(by_class, bench.data.source.class_names));
    json["weights"] = count.weights;
    json["pruned"] = count.pruned;
    json["unmasked_zeros"] = count.zeros;
    fmt::print("{}", text_of(json, 2));
    return;
  }
  fmt::print("test accuracy {:.2f} % ({} of {})   loss {:.4f}   sparsity of weights {:.2f} % ({} of {})\n",
             100 * score.accuracy,
             format_count(std::llround(score.accuracy * static_cast<double>(by_class.images))),
             format_count(by_class.images), score.loss,
             100.0 * static_cast<double>(count.pruned) / static_cast<double>(count.weights),
             format_count(count.pruned), format_count(count.weights));
  if (count.zeros > 0)
    fmt::print(
        "besides, {} weights are zero but not pruned: no mask keeps them so (\"masks\": \"zeros\" makes them "
        "pruned ones)\n",
        format_count(count.zeros));
  fmt::print("{}", classes_text(by_class, bench.data.source.class_names));
  if (!options.plan) return;
  const SparseEngine engine(bench.model->graph(), weights_of(bench.model->store()));
  fmt::print("{}{}", plan_table(engine), text_of(engine.plan()));
}

void schema_command(const std::string& of) {
  RunConfig config;
  fmt::print("{}\n", of == "metrics"   ? metrics_schema()
                     : of == "explain" ? explain_schema()
                                       : json_schema(config, "Espalier run"));
}

void settings_command() {
  RunConfig config;
  fmt::print("{}", fields_markdown(config));
}

void columns_command() { fmt::print("{}", columns_markdown()); }

}  // namespace espalier
