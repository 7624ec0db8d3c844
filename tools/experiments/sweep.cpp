// sweep.cpp: `espalier sweep`: one gradient pass, then every combination that the config lists as a one-shot,
// each from the same dense network. Cells that are in the folder already are not computed again.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/config/writer.h"
#include "framework/core/clock.h"
#include "framework/core/interrupt.h"
#include "framework/core/parallel.h"
#include "framework/io/atomic_file.h"
#include "framework/io/index_file.h"
#include "framework/io/json_text.h"
#include "framework/io/plot.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"
#include "pruning/step/site.h"
#include "tools/report/published.h"
#include "tools/report/report.h"
#include "tools/run/estimate.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

/// Everything but the sparsity: cells of one group share the inverse and the scores.
struct Group {
  std::string criterion, inverse, update, scope;
  int block_size = 0;  ///< 0: not a matter of this group
  double damp = NAN;
  std::string label() const {
    std::string text = criterion;
    if (inverse != "-") text += " " + inverse + (block_size ? fmt::format(" {}", block_size) : "");
    if (update != "-" && update != "simultaneous") text += " " + update;
    if (scope != "global") text += " " + scope;
    return text;
  }
  std::string key() const {
    return fmt::format("{}|{}|{}|{}|{}|{:g}", criterion, inverse, block_size, update, scope, damp);
  }
};

std::string cell_key(const std::string& group, double sparsity) {
  return fmt::format("{}|{:g}", group, sparsity);
}

template <class Base>
void check_names(const char* key, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const auto& [name, entry] : Registry<Base>::entries()) known.push_back(name);
  for (const std::string& n : names)
    if (std::find(known.begin(), known.end(), n) == known.end())
      fail(ExitCode::config, "sweep.{} holds \"{}\"{} (one of {})", key, n, did_you_mean(n, known),
           fmt::join(known, ", "));
}

/// The config of one group: the run's own with the group's choices put in.
RunConfig with_group(const std::string& resolved, const Group& g) {
  JsonDocument document = JsonDocument::parse(resolved, "sweep");
  const auto set = [&](const std::string& path, const Json& value) {
    document.apply_override(path + "=" + value.dump());
  };
  set("sweep", nullptr);
  if (Json::parse(resolved)["prune"]["criterion"]["type"] != g.criterion) set("prune.criterion", g.criterion);
  if (g.inverse != "-") {
    if (Json::parse(resolved)["prune"]["inverse"]["type"] != g.inverse)
      set("prune.inverse", {{"type", g.inverse}});
    if (g.block_size) set("prune.inverse.fisher_block_size", g.block_size);
  }
  if (std::isfinite(g.damp)) set("prune.damp", g.damp);
  if (g.update != "-") set("prune.update", g.update);
  set("prune.scope", g.scope);
  RunConfig config;
  read_config(document, config);
  return config;
}

/// All groups, each once, with what does not matter to a criterion left out.
/// Contradictory ones are named in `skipped`.
std::vector<Group> list_groups(const RunConfig& config, const std::string& resolved,
                               std::vector<std::string>& skipped) {
  const SweepConfig& s = *config.sweep;
  const PruneConfig& p = *config.prune;
  const Json base = Json::parse(resolved)["prune"];
  const auto or_own = [](const std::vector<std::string>& list, const Json& own) {
    return list.empty() ? std::vector<std::string>{own.get<std::string>()} : list;
  };
  std::vector<Group> groups;
  std::set<std::string> seen;
  const std::vector<double> damps = s.damps.empty() ? std::vector<double>{p.damp.value_or(1e-5)} : s.damps;
  const std::vector<int> sizes = s.block_sizes.empty() ? std::vector<int>{0} : s.block_sizes;
  for (const std::string& criterion : or_own(s.criteria, base["criterion"]["type"]))
    for (const std::string& inverse : or_own(s.inverses, base["inverse"]["type"]))
      for (const int size : inverse == "block" ? sizes : std::vector<int>{0})
        for (const std::string& update : or_own(s.updates, base["update"]))
          for (const std::string& scope : or_own(s.scopes, base["scope"]))
            for (const double damp : damps) {
              Group g{criterion, inverse, update, scope, size, damp};
              try {
                const RunConfig alone = with_group(resolved, g);
                const bool joint = alone.prune->update == UpdateMode::joint;
                if (!alone.prune->needs_inverse() && !joint) {
                  g = {criterion, "-", "-", scope, 0, NAN};  // nothing of these enters
                }
              } catch (const Error& e) {
                skipped.push_back(fmt::format("{}: {}", g.label(), e.what()));
                continue;
              }
              if (seen.insert(g.key()).second) groups.push_back(g);
            }
  return groups;
}

using Cells = std::map<std::string, MetricsRow>;  // by cell key

void write_outputs(const RunFolder& folder, const std::vector<Group>& groups, const SweepConfig& sweep,
                   const Cells& cells, double dense) {
  const Published known = read_published(sweep.published);
  const std::vector<PublishedRow>& published = known.rows;
  const bool many_damps = sweep.damps.size() > 1;
  std::vector<std::string> header{"test accuracy [%] at sparsity"};
  if (many_damps) header.insert(header.begin() + 1, "damp");
  for (const double s : sweep.sparsities) header.push_back(fmt::format("{:g}", s));
  Table table(header);
  LineChart chart{.title = fmt::format("One-shot pruning (dense {:.2f} %)", 100 * dense),
                  .x_title = "sparsity [%]",
                  .y_title = "test accuracy [%]"};
  constexpr std::size_t lines_shown = 7;
  std::vector<Series> lines;
  std::map<std::string, Series> by_damp;
  std::string csv =
      "criterion,inverse,fisher_block_size,damp,update,scope,sparsity,sparsity_reached,test_accuracy,test_"
      "loss,"
      "predicted_loss_change,measured_loss_change,seconds\n";
  for (const Group& g : groups) {
    std::vector<std::string> row{g.label()};
    if (many_damps) row.push_back(std::isfinite(g.damp) ? fmt::format("{:g}", g.damp) : "-");
    Series line{
        .label = g.label() + (many_damps && std::isfinite(g.damp) ? fmt::format(" {:g}", g.damp) : ""),
        .style = Series::Style::line_points};
    for (const double s : sweep.sparsities) {
      const auto cell = cells.find(cell_key(g.key(), s));
      if (cell == cells.end() || !std::isfinite(number(cell->second, "test_accuracy"))) {
        row.push_back("-");
        continue;
      }
      const MetricsRow& c = cell->second;
      row.push_back(fmt::format("{:.2f}", 100 * number(c, "test_accuracy")));
      line.x.push_back(100 * s);
      line.y.push_back(100 * number(c, "test_accuracy"));
      if (s == sweep.sparsities.back() && std::isfinite(g.damp)) {
        Series& d = by_damp[g.label()];
        d.label = g.label();
        d.style = Series::Style::line_points;
        d.x.push_back(g.damp);
        d.y.push_back(100 * number(c, "test_accuracy"));
      }
      const auto cell_text = [&](const char* name) {
        const double v = number(c, name);
        return std::isfinite(v) ? fmt::format("{}", v) : std::string();
      };
      csv += fmt::format("{},{},{},{},{},{},{:g},{},{},{},{},{},{}\n", g.criterion, g.inverse,
                         g.block_size ? std::to_string(g.block_size) : "",
                         std::isfinite(g.damp) ? fmt::format("{:g}", g.damp) : "", g.update, g.scope, s,
                         cell_text("sparsity"), cell_text("test_accuracy"), cell_text("test_loss"),
                         cell_text("predicted_loss_change"), cell_text("measured_loss_change"),
                         cell_text("seconds"));
    }
    table.add(row);
    if (!line.x.empty()) lines.push_back(line);
  }
  // A picture holds few lines: the best on average, in the order of the table.
  const auto mean = [](const Series& s) {
    return std::accumulate(s.y.begin(), s.y.end(), 0.0) / static_cast<double>(s.y.size());
  };
  std::vector<double> means;
  for (const Series& s : lines) means.push_back(mean(s));
  std::sort(means.rbegin(), means.rend());
  const double least = means.empty() ? 0 : means[std::min(means.size(), lines_shown) - 1];
  if (lines.size() > lines_shown)
    chart.title += fmt::format("; the best {} of {} by mean accuracy", lines_shown, lines.size());
  for (const Series& s : lines)
    if (mean(s) >= least && chart.series.size() < lines_shown) chart.series.push_back(s);
  if (!published.empty()) {
    table.rule();
    for (const PublishedRow& p : published) {
      std::vector<std::string> row{"published: " + p.method};
      if (many_damps) row.push_back("");
      Series line{.label = "published: " + p.method, .style = Series::Style::points};
      for (const double s : sweep.sparsities) {
        const auto found = p.accuracy.find(fmt::format("{:g}", s));
        row.push_back(found == p.accuracy.end() ? "" : fmt::format("{:.2f}", found->second));
        if (found == p.accuracy.end()) continue;
        line.x.push_back(100 * s);
        line.y.push_back(found->second);
      }
      table.add(row);
      if (!line.x.empty() && chart.series.size() < lines_shown + 5) chart.series.push_back(line);
    }
  }
  write_file_atomically(folder.path() / "sweep.csv", csv);
  fmt::print("\n{}\n", table.str("  "));
  if (!known.source.empty()) fmt::print("  published: {}\n", known.source);
  fmt::print("  cells        {}\n", (folder.path() / "sweep.csv").string());
  if (write_plot(folder.plots() / "accuracy_by_sparsity", chart))
    fmt::print("  picture      {}\n", (folder.plots() / "accuracy_by_sparsity.png").string());
  if (!many_damps) return;
  LineChart damping{.title = fmt::format("One-shot to {:g} %", 100 * sweep.sparsities.back()),
                    .x_title = "dampening",
                    .y_title = "test accuracy [%]",
                    .log_x = true};
  for (auto& [label, series] : by_damp)
    if (damping.series.size() < 12) damping.series.push_back(series);
  if (!damping.series.empty() && write_plot(folder.plots() / "accuracy_by_damp", damping))
    fmt::print("  picture      {}\n", (folder.plots() / "accuracy_by_damp.png").string());
}

}  // namespace

void sweep_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  if (!config.prune || !config.sweep)
    fail(ExitCode::config,
         "{}: `espalier sweep` needs a \"prune\" section (what is common) and a \"sweep\" section (what "
         "varies)",
         options.config);
  check_names<Criterion>("criteria", config.sweep->criteria);
  check_names<InverseSettings>("inverses", config.sweep->inverses);
  if (config.sweep->sparsities.empty())
    fail(ExitCode::config, "{}: sweep.sparsities is empty; list at least one", options.config);
  if (config.prune->num_recomputations != 1 || config.prune->num_stages != 1)
    fail(ExitCode::config,
         "{}: prune.num_recomputations is {} and prune.num_stages {}, but a sweep takes one step from one "
         "inverse to every sparsity; leave them out, or run `espalier prune` for each",
         options.config,
         config.prune->num_recomputations ? std::to_string(*config.prune->num_recomputations) : "auto",
         config.prune->num_stages);
  Workbench bench = prepare(config, {.checkpoint = config.checkpoint});
  for (const std::string& n : bench.notices) fmt::print(stderr, "note: {}\n", n);
  config.provenance.version = ESPALIER_VERSION;
  config.output.clear();
  const std::string resolved = resolved_json(config);
  std::vector<std::string> skipped;
  const std::vector<Group> groups = list_groups(config, resolved, skipped);
  for (const std::string& s : skipped)
    if (!options.quiet) fmt::print(stderr, "skipped {}\n", s);
  const PruneConfig& common = *config.prune;
  const Pruner for_estimate(common, *bench.model,
                            std::max(config.train.epochs, common.schedule->last_epoch()));
  for (const std::string& n : for_estimate.notices()) fmt::print(stderr, "note: {}\n", n);
  for (const double sparsity : config.sweep->sparsities)
    for_estimate.check_reach(sparsity, bench.model->store());
  const std::size_t total = groups.size() * config.sweep->sparsities.size();
  if (options.dry_run) {
    fmt::print("{}\n{} cells: {} combinations x {} sparsities\n", resolved, total, groups.size(),
               config.sweep->sparsities.size());
    return;
  }
  require_fit(estimate_run(config, bench, &for_estimate));

  // What is here already: cells of the same experiment, whatever the lists were then.
  Json base = Json::parse(resolved);
  base.erase("sweep");
  const std::filesystem::path lies =
      !options.output.empty() ? std::filesystem::path(options.output) : run_directory(config);
  RunFolder::keep_from(lies, options.config, "the config");
  if (!config.checkpoint.empty()) RunFolder::keep_from(lies, config.checkpoint, "the checkpoint");
  RunFolder folder(lies);
  const bool ours = std::filesystem::exists(lies / "experiment.json");
  if (options.overwrite) {
    folder.clear();
  } else if (!ours && !folder.earlier_files().empty()) {
    fail(ExitCode::usage,
         "{}: holds a run that is no sweep; --overwrite replaces it, --output puts this one "
         "elsewhere",
         lies.string());
  }
  const std::string experiment = base.dump(2) + "\n";
  const std::filesystem::path recorded = folder.path() / "experiment.json";
  if (std::filesystem::exists(recorded) && read_whole_file(recorded) != experiment)
    fail(ExitCode::usage,
         "{} holds a sweep of another experiment (compare {} with this config's --dry-run); give another "
         "--output, or --overwrite",
         folder.path().string(), recorded.string());
  write_file_atomically(recorded, experiment);
  config.provenance.threads = threads();
  write_file_atomically(folder.config(), resolved_json(config) + "\n");
  MetricsLog metrics(folder.path());
  Cells cells;
  double dense = NAN;
  for (const MetricsRow& row : metrics.rows()) {
    if (text(row, "event") == "cell") cells[cell_key(text(row, "group"), number(row, "target"))] = row;
    if (text(row, "event") == "dense") dense = number(row, "test_accuracy");
  }
  std::size_t missing = 0;
  for (const Group& g : groups)
    for (const double s : config.sweep->sparsities) missing += !cells.contains(cell_key(g.key(), s));
  if (missing == 0) {
    if (!options.quiet) fmt::print(stderr, "all {} cells are here already\n", total);
    if (!options.summary) return;
    write_outputs(folder, groups, *config.sweep, cells, dense);
    if (!options.no_report) fmt::print("{}", report_line(folder.path()));
    return;
  }

  stop_gently_on_signals();  // what is in the metrics stays
  const double started = seconds_now();
  const bool factors = std::any_of(groups.begin(), groups.end(), [](const Group& g) {
    return g.inverse != "-" && Registry<InverseSettings>::entries().at(g.inverse).make()->needs_kronecker();
  });
  const StopAnywhere region("stopped; run the same command again to go on with the cells that are left");
  PruningSite site(*bench.model, bench.data, common, {.seed = config.seed});
  site.gather_gradients(factors, folder.path().string());
  if (!options.quiet)
    fmt::print(stderr, "{} gradients of {} weights in {:.2f} s; {} of {} cells to do\n", common.num_grads,
               format_count(site.weights()), seconds_now() - started, missing, total);
  if (!std::isfinite(dense)) {
    const Evaluation test = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
    dense = test.accuracy;
    metrics.append({{"event", "dense"},
                    {"sparsity", for_estimate.sparsity(bench.model->store())},
                    {"test_accuracy", test.accuracy},
                    {"test_loss", test.loss},
                    {"test_images", static_cast<std::int64_t>(bench.data.source.test.size())},
                    {"train_loss", site.loss()}});
  }
  Trial same = site.trial();
  Progress progress("sweep", static_cast<std::int64_t>(missing), "cells", options.quiet);
  std::int64_t done = 0;
  for (const Group& g : groups) {
    const auto to_do = [&](double s) { return !cells.contains(cell_key(g.key(), s)); };
    if (std::none_of(config.sweep->sparsities.begin(), config.sweep->sparsities.end(), to_do)) continue;
    const RunConfig alone = with_group(resolved, g);
    const double group_started = seconds_now();
    const Planner planner = site.planner(*alone.prune, std::isfinite(g.damp) ? g.damp : 1);
    const double group_seconds = seconds_now() - group_started;
    for (const double s : config.sweep->sparsities) {
      if (!to_do(s)) continue;
      if (take_stop())
        fail(ExitCode::interrupted, "stopped with {} of {} cells done; run the same command again to go on",
             total - missing + static_cast<std::size_t>(done), total);
      const double cell_started = seconds_now();
      MetricsRow row{{"event", "cell"},          {"group", g.key()},     {"target", s},
                     {"criterion", g.criterion}, {"inverse", g.inverse}, {"update", g.update},
                     {"scope", g.scope}};
      try {
        const Plan plan = planner.plan(s);
        const double loss_after = same.loss(plan.delta);
        site.put(plan);
        if (common.recalibrate_batch_norm)
          recalibrate_batch_norm(*bench.model, bench.data, common.recalibration_examples, config.seed);
        const Evaluation test = evaluate(*bench.model, bench.data.source.test, bench.data.preprocessing);
        site.restore();
        row.insert(row.end(),
                   {{"sparsity", plan.sparsity()},
                    {"test_accuracy", test.accuracy},
                    {"test_loss", test.loss},
                    {"predicted_loss_change", plan.prediction.change()},
                    {"measured_loss_change", loss_after - site.loss()},
                    {"seconds", seconds_now() - cell_started +
                                    group_seconds / static_cast<double>(config.sweep->sparsities.size())}});
      } catch (const Error& e) {
        site.restore();
        if (e.code() != ExitCode::numeric && e.code() != ExitCode::pruning) throw;
        row.push_back({"failed", std::string(e.what())});  // this cell can't be done; the others can
      }
      metrics.append(row);
      cells[cell_key(g.key(), s)] = row;
      progress.update(++done, g.label());
    }
  }
  progress.done();
  if (!options.summary) return;
  write_outputs(folder, groups, *config.sweep, cells, dense);
  if (!options.no_report) fmt::print("{}", report_line(folder.path()));
}

}  // namespace espalier
