// sweep.cpp: `espalier sweep`: one gradient pass, then every combination that the config lists as a one-shot,
// each from the same dense network. Cells that are in the folder already are not computed again.
#include "tools/experiments/sweep.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "framework/config/writer.h"
#include "framework/core/clock.h"
#include "framework/core/interrupt.h"
#include "framework/io/progress.h"
#include "framework/train/trainer.h"
#include "pruning/step/pruner.h"
#include "pruning/step/site.h"
#include "tools/experiments/combinations.h"
#include "tools/experiments/tables.h"
#include "tools/report/published.h"
#include "tools/report/report.h"
#include "tools/run/estimate.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

void check_config(const RunConfig& config, const std::string& file) {
  if (!config.prune || !config.sweep)
    fail(ExitCode::config,
         "{}: `espalier sweep` needs a \"prune\" section (what is common) and a \"sweep\" section (what "
         "varies)",
         file);
  if (config.sweep->sparsities.empty())
    fail(ExitCode::config, "{}: sweep.sparsities is empty; list at least one", file);
  if (config.prune->num_recomputations != 1 || config.prune->num_stages != 1)
    fail(ExitCode::config,
         "{}: prune.num_recomputations is {} and prune.num_stages {}, but a sweep takes one step from one "
         "inverse to every sparsity; leave them out, or run `espalier prune` for each",
         file, config.prune->num_recomputations ? std::to_string(*config.prune->num_recomputations) : "auto",
         config.prune->num_stages);
  check_names(*config.sweep);
}

/// The cells of the folder, those of earlier lists included.
class Cells {
 public:
  explicit Cells(const std::vector<MetricsRow>& rows) : cells_(rows_of<CellRow>(rows)) {}
  void add(const CellRow& cell) { cells_.push_back(cell); }
  const CellRow* find(const Combination& c, double sparsity) const {
    const auto found = std::find_if(cells_.begin(), cells_.end(), [&](const CellRow& cell) {
      return cell.target == sparsity && same_combination(cell, c.settings);
    });
    return found == cells_.end() ? nullptr : &*found;
  }

 private:
  std::vector<CellRow> cells_;
};

DenseRow dense_row(PruningSite& site, const Workbench& bench) {
  const Evaluation test = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
  return {.sparsity = count_weights(bench.model->store()).share(),
          .test_accuracy = test.accuracy,
          .test_loss = test.loss,
          .train_loss = site.loss(),
          .test_images = bench.data.source.test.size()};
}

/// Carries out a plan, puts what it does to the network into `cell`, and takes it back.
void measure(PruningSite& site, const Plan& plan, const RunConfig& config, Workbench& bench, CellRow& cell) {
  try {
    const double loss_after = site.trial().loss(plan.delta);
    site.put(plan);
    if (config.prune->recalibrate_batch_norm)
      recalibrate_batch_norm(*bench.model, bench.data, config.prune->recalibration_examples, config.seed);
    const Evaluation test = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
    cell.sparsity = plan.sparsity();
    cell.test_accuracy = test.accuracy;
    cell.test_loss = test.loss;
    cell.predicted_loss_change = plan.prediction.change();
    cell.measured_loss_change = loss_after - site.loss();
  } catch (...) {
    site.restore();
    throw;
  }
  site.restore();
}

/// The cells of one combination that are not there yet, one after another.
void run_combination(const Combination& c, const std::vector<double>& sparsities, PruningSite& site,
                     const Cells& cells, const std::function<void(const Plan&, CellRow&)>& measure,
                     const std::function<void(const CellRow&)>& finished) {
  const auto to_do = [&](double s) { return cells.find(c, s) == nullptr; };
  if (std::none_of(sparsities.begin(), sparsities.end(), to_do)) return;
  const double started = seconds_now();
  const Planner planner = site.planner(*c.config.prune, c.settings.damp.value_or(1));
  const double shared = (seconds_now() - started) / static_cast<double>(sparsities.size());
  for (const double s : sparsities) {
    if (!to_do(s)) continue;
    const double cell_started = seconds_now();
    CellRow cell = c.settings;
    cell.target = s;
    try {
      measure(planner.plan(s), cell);
      cell.seconds = seconds_now() - cell_started + shared;
    } catch (const Error& e) {
      if (e.code() != ExitCode::numeric && e.code() != ExitCode::pruning) throw;
      cell.failed = e.what();  // this cell can't be done; the others can
    }
    finished(cell);
  }
}

struct Amount {
  std::size_t total, missing;  ///< cells
};

/// One gradient pass, and all cells that are not there yet.
void run_missing(const RunConfig& config, Workbench& bench, const std::vector<Combination>& combinations,
                 Cells& cells, Amount amount, MetricsLog& metrics, const CommandOptions& options) {
  const double started = seconds_now();
  stop_gently_on_signals();  // what is in the metrics stays
  const StopAnywhere region("stopped; run the same command again to go on with the cells that are left");
  PruningSite site(*bench.model, bench.data, *config.prune, {.seed = config.seed});
  const bool factors = std::any_of(combinations.begin(), combinations.end(), [](const Combination& c) {
    return c.settings.inverse && c.config.prune->inverse->needs_kronecker();
  });
  site.gather_gradients(factors, metrics.folder().string());
  say(options,
      fmt::format("{} gradients of {} weights in {:.2f} s; {} of {} cells to do", config.prune->num_grads,
                  format_count(site.weights()), seconds_now() - started, amount.missing, amount.total));
  if (rows_of<DenseRow>(metrics.rows()).empty()) metrics.append(to_row(dense_row(site, bench)));
  Progress progress("sweep", static_cast<std::int64_t>(amount.missing), "cells", options.quiet);
  std::size_t done = 0;
  const auto finished = [&](const Combination& c, const CellRow& cell) {
    metrics.append(to_row(cell));
    cells.add(cell);
    progress.update(static_cast<std::int64_t>(++done), c.label(true));
    if (done < amount.missing && take_stop())
      fail(ExitCode::interrupted, "stopped with {} of {} cells done; run the same command again to go on",
           amount.total - amount.missing + done, amount.total);
  };
  for (const Combination& c : combinations)
    run_combination(
        c, config.sweep->sparsities, site, cells,
        [&](const Plan& plan, CellRow& cell) { measure(site, plan, config, bench, cell); },
        [&](const CellRow& cell) { finished(c, cell); });
  progress.done();
}

/// The sweep as a table of results: methods are its combinations, values its sparsities.
std::string sweep_table(const std::vector<Combination>& combinations, const SweepConfig& sweep,
                        const Cells& cells, double dense) {
  const Published published = read_published(sweep.published);
  std::vector<Result> results;
  Axes axes;
  for (const double s : sweep.sparsities) axes.values.push_back(fmt::format("{:g}", s));
  for (const Combination& c : combinations) {
    const std::string label = c.label(sweep.damps.size() > 1);
    axes.methods.push_back(label);
    for (const double s : sweep.sparsities)
      if (const CellRow* cell = cells.find(c, s))
        results.push_back({{.method = label, .value = fmt::format("{:g}", s)}, to_row(*cell)});
  }
  ResultTable table =
      accuracy_table(fmt::format("One-shot pruning (dense {:.2f} %)", 100 * dense), results, axes);
  std::vector<const PublishedRow*> beside;
  for (const PublishedRow& row : published.rows) beside.push_back(&row);
  add_published(table, beside, axes.values);
  return table.text() +
         (published.source.empty() ? "" : fmt::format("\n  published: {}\n", published.source));
}

}  // namespace

void sweep_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  check_config(config, options.config);
  const std::filesystem::path where = run_directory(config);
  Workbench bench = prepare(config, beginning_of(config));
  for (const std::string& n : bench.notices) fmt::print(stderr, "note: {}\n", n);
  set_provenance(config, "sweep", bench.model->store().values());
  std::vector<std::string> skipped;
  const std::vector<Combination> combinations = list_combinations(config, skipped);
  for (const std::string& s : skipped) say(options, "skipped " + s);
  const std::size_t total = combinations.size() * config.sweep->sparsities.size();
  const Pruner for_estimate(*config.prune, *bench.model,
                            std::max(config.train.epochs, config.prune->schedule->last_epoch()));
  for (const std::string& n : for_estimate.notices()) fmt::print(stderr, "note: {}\n", n);
  for (const double sparsity : config.sweep->sparsities)
    for_estimate.check_reach(sparsity, bench.model->store());
  if (options.dry_run) {
    fmt::print("{}\n{} cells: {} combinations x {} sparsities\n", resolved_json(config), total,
               combinations.size(), config.sweep->sparsities.size());
    return;
  }
  require_fit(estimate_run(config, bench, &for_estimate));

  // A sweep always goes on: cells add up, whatever its lists were when they were made.
  RunFolder::keep_from(where, options.config, "the config");
  if (!config.checkpoint.empty()) RunFolder::keep_from(where, config.checkpoint.path, "the checkpoint");
  const bool resuming = goes_on(where, config,
                                options.overwrite       ? Earlier::replace
                                : options.replace_other ? Earlier::resume_or_replace
                                                        : Earlier::resume);
  const RunFolder folder(where);
  resuming ? record_config(folder, config) : begin_run(folder, config, options.quiet);
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0);
  Cells cells(metrics.rows());
  std::size_t missing = 0;
  for (const Combination& c : combinations)
    for (const double s : config.sweep->sparsities) missing += cells.find(c, s) == nullptr;
  if (missing == 0) say(options, fmt::format("all {} cells are here already", total));
  if (missing > 0) run_missing(config, bench, combinations, cells, {total, missing}, metrics, options);
  if (!options.summary) return;
  const std::vector<DenseRow> dense = rows_of<DenseRow>(metrics.rows());
  fmt::print(
      "{}\n  {:<12} {}\n",
      sweep_table(combinations, *config.sweep, cells, dense.empty() ? NAN : dense.front().test_accuracy),
      "cells", folder.metrics_csv().string());
  if (!options.no_report) fmt::print("{}", report_line(folder.path()));
}

}  // namespace espalier
