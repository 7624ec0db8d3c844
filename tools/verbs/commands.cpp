// commands.cpp: the verbs. Each reads the config, prepares data and network, runs, and reports.
#include "tools/run/commands.h"

#include <cmath>
#include <cstdio>

#include "framework/config/schema.h"
#include "framework/config/writer.h"
#include "framework/core/parallel.h"
#include "framework/io/atomic_file.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/step/pruner.h"
#include "tools/explain/tour.h"
#include "tools/report/report.h"
#include "tools/run/estimate.h"
#include "tools/run/session.h"
#include "tools/run/summary.h"

namespace espalier {
namespace {

void say(const CommandOptions& options, const std::string& line) {
  if (!options.quiet) fmt::print(stderr, "{}\n", line);
}

/// Rows of the metrics that are not of one epoch or pruning step: the state of the network at the end.
void append_final_row(Trainer& trainer, const Pruner* pruner) {
  const Model& model = trainer.context().model;
  const Score test = trainer.evaluate_test();
  MetricsRow row{{"event", "done"},
                 {"test_loss", test.loss},
                 {"test_accuracy", test.accuracy},
                 {"test_images", static_cast<std::int64_t>(trainer.context().data.source.test.size())}};
  row.push_back({"multiply_adds", static_cast<std::int64_t>(model.macs())});
  if (pruner) {
    Index weights = 0, pruned = 0;
    double macs_pruned = 0;
    for (const PrunedLayer& layer : pruner->layer_sparsity(model.store())) {
      weights += layer.weights;
      pruned += layer.pruned;
      macs_pruned += layer.macs_pruned;
      row.push_back(
          {"sparsity." + layer.name, static_cast<double>(layer.pruned) / static_cast<double>(layer.weights)});
      row.push_back({"weights." + layer.name, static_cast<std::int64_t>(layer.weights)});
    }
    row.push_back({"weights", static_cast<std::int64_t>(weights)});
    row.push_back({"sparsity", static_cast<double>(pruned) / static_cast<double>(weights)});
    row.push_back({"sparsity_of_all_parameters",
                   static_cast<double>(pruned) / static_cast<double>(model.store().size())});
    row.push_back(
        {"multiply_adds_kept", static_cast<std::int64_t>(model.macs() - std::llround(macs_pruned))});
  }
  trainer.context().metrics.append(row);
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
  std::error_code unknown;
  const bool resuming =
      options.resume && std::filesystem::exists(run_directory(config) / "state.safetensors", unknown);
  Workbench bench = prepare(config, resuming ? "" : config.checkpoint);  // the state has it all
  config.provenance.version = ESPALIER_VERSION;
  std::optional<Pruner> pruner;
  if (config.prune) pruner.emplace(*config.prune, *bench.model, config.train.epochs);

  const Estimate estimate = estimate_run(config, bench, pruner ? &*pruner : nullptr);
  if (options.dry_run) {
    fmt::print("{}\n{}", resolved_json(config), describe(estimate));
    require_fit(estimate);
    return;
  }
  require_fit(estimate);

  RunFolder folder(run_directory(config));
  config.output.clear();  // where a run lies is no part of what it is: folders may be moved
  const std::string resolved = resolved_json(config);
  if (!resuming && std::filesystem::exists(folder.state(), unknown)) {
    say(options, fmt::format("note: {} holds an earlier run, which is replaced", folder.path().string()));
    // First of all, so that --resume after a kill does not take up the earlier run.
    if (!std::filesystem::remove(folder.state(), unknown))
      fail(ExitCode::io, "{}: cannot be removed: {}; choose another --output", folder.state().string(),
           unknown.message());
  }
  if (!resuming) {
    std::filesystem::remove(folder.tour(), unknown);
    config.provenance.threads = threads();  // for the record only: results do not depend on it
    write_file_atomically(folder.config(), resolved_json(config) + "\n");
  }
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0);
  RunContext context{*bench.model, bench.data, folder, metrics, config.seed, resolved, options.quiet};
  Trainer trainer(context, config.train);
  if (resuming) trainer.resume();
  const bool complete = trainer.complete();
  if (complete) {
    say(options, fmt::format("{} is complete and up to date", folder.path().string()));
  } else {
    say(options,
        fmt::format(
            "{}: {} parameters, {} multiply-adds an image; {} training and {} test images; {} thread(s)",
            config.model.type, format_count(bench.model->store().size()), format_count(bench.model->macs()),
            format_count(bench.data.source.train.size()), format_count(bench.data.source.test.size()),
            threads()));
    stop_gently_on_signals();
    trainer.run(pruner ? &*pruner : nullptr);
    append_final_row(trainer, pruner ? &*pruner : nullptr);
    trainer.mark_complete();
  }
  if (!options.summary) return;
  if (pruner && !(complete && std::filesystem::exists(folder.tour(), unknown)))
    write_tour_of_run(folder, config, bench, options.quiet);
  fmt::print("{}{}", summary(folder, metrics), options.no_report ? "" : report_line(folder.path()));
}

}  // namespace

void train_command(const CommandOptions& options) { run(options, false); }
void prune_command(const CommandOptions& options) { run(options, true); }

void evaluate_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  std::error_code unknown;
  // The checkpoint asked for, else that of the config's run, else the config's.
  std::string checkpoint = options.checkpoint.empty() ? config.checkpoint : options.checkpoint;
  const std::filesystem::path of_run = run_directory(config) / "checkpoint.safetensors";
  if (options.checkpoint.empty() && std::filesystem::exists(of_run, unknown)) checkpoint = of_run.string();
  if (checkpoint.empty())
    fail(ExitCode::usage,
         "no checkpoint to evaluate: {} does not exist; give --checkpoint FILE, or --output with the folder "
         "of a run",
         of_run.string());
  const Workbench bench = prepare(config, checkpoint);
  const Score score = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
  if (!std::isfinite(score.loss))
    fail(ExitCode::numeric,
         "{}: the test loss is {}; the weights, or data.normalize, are too large for float32", checkpoint,
         score.loss);
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
             100 * score.accuracy, format_count(std::llround(score.accuracy * n)),
             format_count(static_cast<Index>(n)), score.loss,
             100.0 * static_cast<double>(pruned) / static_cast<double>(weights), format_count(pruned),
             format_count(weights));
}

void schema_command() {
  RunConfig config;
  fmt::print("{}\n", json_schema(config, "Espalier run"));
}

void settings_command() {
  RunConfig config;
  fmt::print("{}", fields_markdown(config));
}

}  // namespace espalier
