// commands.cpp: the verbs. Each reads the config, prepares data and network, runs, and reports.
#include "tools/verbs/commands.h"

#include <cmath>
#include <cstdio>

#include "framework/config/schema.h"
#include "framework/config/writer.h"
#include "framework/core/parallel.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/step/pruner.h"
#include "tools/explain/explain_schema.h"
#include "tools/explain/lesson_data.h"
#include "tools/report/report.h"
#include "tools/run/estimate.h"
#include "tools/run/rows.h"
#include "tools/run/session.h"
#include "tools/run/summary.h"
#include "tools/verbs/plan_table.h"

namespace espalier {
namespace {

/// The state of the network at the end.
DoneRow final_row(Trainer& trainer, const Pruner* pruner) {
  const Model& model = trainer.context().model;
  const Evaluation test = trainer.evaluate_test();
  DoneRow row;
  row.test_loss = test.loss;
  row.test_accuracy = test.accuracy;
  row.test_images = trainer.context().data.source.test.size();
  row.multiply_adds = model.macs();
  if (!pruner) return row;
  Index weights = 0, pruned = 0;
  double macs_pruned = 0;
  for (const PrunedLayer& layer : pruner->layer_sparsity(model.store())) {
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
  row.multiply_adds_kept = model.macs() - std::llround(macs_pruned);
  return row;
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

void run(const CommandOptions& options, bool with_pruning) {
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
  bool resuming = options.resume && std::filesystem::exists(where / "state.safetensors", unknown);
  Workbench bench = prepare(config, resuming ? "" : config.checkpoint);  // the state has it all
  set_provenance(config, verb);
  if (resuming && !goes_on(where, config, earlier_of(options))) {  // another run's, which is to be replaced
    resuming = false;
    bench = prepare(config, config.checkpoint);
    set_provenance(config, verb);
  }
  std::optional<Pruner> pruner;
  if (config.prune) pruner.emplace(*config.prune, *bench.model, config.train.epochs);
  const Estimate estimate = estimate_run(config, bench, pruner ? &*pruner : nullptr);
  if (options.dry_run) fmt::print("{}\n{}", resolved_json(config), describe(estimate));
  require_fit(estimate);

  if (options.dry_run) return;
  RunFolder folder(where);
  const std::string resolved = resolved_json(config);
  if (!resuming) begin_run(folder, config, options.quiet);
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0);
  RunContext context{*bench.model, bench.data, folder, metrics, config.seed, resolved, options.quiet};
  Trainer trainer(context, config.train);
  if (resuming) trainer.resume();
  const bool complete = trainer.complete();
  if (complete) {
    say(options, fmt::format("{} is complete and up to date", folder.path().string()));
  } else {
    introduce(options, config, bench);
    stop_gently_on_signals();
    trainer.run(pruner ? &*pruner : nullptr);
    metrics.append(to_row(final_row(trainer, pruner ? &*pruner : nullptr)));
    trainer.mark_complete();
  }
  if (!options.summary) return;
  if (pruner && !(complete && std::filesystem::exists(folder.lesson_data(), unknown)))
    write_lesson_of_run(folder, config, bench, options.quiet);
  fmt::print("{}{}", summary(folder, metrics), options.no_report ? "" : report_line(folder.path()));
}

}  // namespace

void train_command(const CommandOptions& options) { run(options, false); }
void prune_command(const CommandOptions& options) { run(options, true); }

void evaluate_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  const std::string checkpoint = checkpoint_to_read(options, config);
  if (checkpoint.empty())
    fail(ExitCode::usage,
         "no checkpoint to evaluate: {} does not exist; give --checkpoint FILE, or --output with the folder "
         "of a run",
         (run_directory(config) / "checkpoint.safetensors").string());
  const Workbench bench = prepare(config, checkpoint);
  const Evaluation test = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
  if (!std::isfinite(test.loss))
    fail(ExitCode::numeric,
         "{}: the test loss is {}; the weights, or data.normalize, are too large for float32", checkpoint,
         test.loss);
  Index pruned = 0, weights = 0;
  const ParameterStore& store = bench.model->store();
  for (const ParameterInfo& p : store.infos()) {
    if (p.role != Role::weight) continue;
    weights += p.range.size();
    for (Index i = p.range.begin; i < p.range.end; ++i) pruned += store.mask()[i] == 0;
  }
  const auto n = static_cast<double>(bench.data.source.test.size());
  say(options, checkpoint);
  fmt::print("test accuracy {:.2f} % ({} of {})   loss {:.4f}   sparsity of weights {:.2f} % ({} of {})\n",
             100 * test.accuracy, format_count(std::llround(test.accuracy * n)),
             format_count(static_cast<Index>(n)), test.loss,
             100.0 * static_cast<double>(pruned) / static_cast<double>(weights), format_count(pruned),
             format_count(weights));
  if (!options.plan) return;
  const SparseEngine engine(bench.model->graph(), weights_of(store));
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
