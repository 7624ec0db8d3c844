// reproduce.cpp: `espalier reproduce NAME`: the runs of an experiment one after another, each in its own
// folder, and their results beside the published ones. A run that is there already with the same config is
// not repeated.
#include "tools/experiments/reproduce.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/core/clock.h"
#include "framework/core/interrupt.h"
#include "framework/io/atomic_file.h"
#include "framework/io/progress.h"
#include "tools/curvature/curvature.h"
#include "tools/experiments/charts.h"
#include "tools/experiments/record.h"
#include "tools/experiments/reproduce_results.h"
#include "tools/experiments/sweep.h"
#include "tools/experiments/tables.h"
#include "tools/report/published.h"
#include "tools/run/own_files.h"
#include "tools/run/session.h"
#include "tools/verbs/commands.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> all_experiments(const fs::path& root) {
  std::vector<fs::path> found;
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(root, unknown))
    if (fs::exists(entry.path() / "experiment.json")) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

/// Where the results of an experiment are recorded.
fs::path recorded_in(const CommandOptions& options, const fs::path& experiment) {
  return fs::path(options.records) / fs::absolute(experiment).lexically_normal().filename();
}

void list_experiments(const CommandOptions& options) {
  const std::vector<fs::path> all = all_experiments(options.experiments);
  if (all.empty())
    fail(ExitCode::usage, "{} holds no experiments (folders with an experiment.json); give --experiments DIR",
         options.experiments);
  for (const fs::path& folder : all) {
    const Experiment e = read_experiment(folder);
    const std::size_t recorded = read_metrics(recorded_in(options, folder) / "results.jsonl").size();
    fmt::print(
        "{:<28} {}\n{:<28} {} parts, {}\n", folder.filename().string(), e.title, "", e.parts.size(),
        recorded ? fmt::format("{} recorded results", recorded) : std::string("no recorded results yet"));
  }
}

fs::path find_experiment(const CommandOptions& options) {
  fs::path given = options.config;
  if (!given.has_filename()) given = given.parent_path();  // "DIR/"
  if (fs::exists(given / "experiment.json")) return given;
  const fs::path root = options.experiments;
  if (fs::exists(root / options.config / "experiment.json")) return root / options.config;
  std::vector<std::string> names;
  for (const fs::path& p : all_experiments(root)) names.push_back(p.filename().string());
  fail(ExitCode::usage, "there is no experiment \"{}\"{} ({} has: {})", options.config,
       did_you_mean(options.config, names), root.string(),
       names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

/// A run of the same config goes on where it was stopped; one of another that the cell had before is replaced.
void run_verb(const ExperimentCell& cell, const CommandOptions& options) {
  fs::create_directories(cell.folder);
  const fs::path config = cell.folder / "cell.json";
  write_file_atomically(config, cell.config);
  CommandOptions run;
  run.config = config.string();
  run.output = cell.folder.string();
  run.threads = options.threads;
  run.resume = run.replace_other = run.quiet = true;
  run.summary = false;
  const std::string& verb = cell.part->verb;
  if (verb == "train") train_command(run);
  if (verb == "prune") prune_command(run);
  if (verb == "sweep") sweep_command(run);
  if (verb == "curvature") curvature_command(run);
}

/// Reads every config, so that a mistake in the last is known before the first has run for hours.
void check_configs(const Experiment& e, const ExperimentPlaces& places, bool quick) {
  const auto check = [&](const ExperimentPart& part, const std::string& best) {
    for (const ExperimentCell& cell :
         cells_of(e, part, places, quick, [&](const ExperimentPart&, const std::string&) { return best; })) {
      RunConfig config;
      read_config(JsonDocument::parse(cell.config, cell.label()), config);
    }
  };
  for (const ExperimentPart& part : e.parts) {
    if (part.choose_from.empty())
      check(part, "");
    else
      for (const ExperimentMethod& any : e.part(part.choose_from).methods) check(part, any.name);
  }
}

/// Names of the runs that --only asks for (all that contain it) and of those that they start from. Parts that
/// choose their method have none before the choice is made.
std::set<std::string> runs_for(const Experiment& e, const ExperimentPlaces& places,
                               const CommandOptions& options) {
  std::set<std::string> names;
  std::vector<ExperimentCell> wanted;
  const auto nothing = [](const ExperimentPart&, const std::string&) { return std::string(); };
  for (auto part = e.parts.rbegin(); part != e.parts.rend(); ++part)
    for (const ExperimentCell& cell : cells_of(e, *part, places, options.quick, nothing)) {
      const bool start = std::any_of(wanted.begin(), wanted.end(), [&](const ExperimentCell& later) {
        return later.starts_from == cell.folder;
      });
      if (!start && cell.label().find(options.only) == std::string::npos) continue;
      wanted.push_back(cell);
      names.insert(cell.label());
    }
  if (names.empty())
    fail(ExitCode::usage,
         "no run of {} has \"{}\" in its name; espalier reproduce {} --dry-run lists all that are left",
         e.folder.filename().string(), options.only, e.folder.filename().string());
  return names;
}

/// The method with the best mean accuracy at a value, or over all of them if nothing varies. Empty: no
/// results.
std::string best_method(const std::vector<Result>& results, const ExperimentPart& among,
                        const std::string& value) {
  const std::vector<Result> mine = of_part(results, among.name);
  std::set<std::string> values{shown(value)};
  if (value.empty())
    for (const Result& r : mine) values.insert(r.head.value);
  std::string best;
  double highest = -1;
  for (const ExperimentMethod& m : among.methods) {
    double sum = 0;
    int count = 0;
    for (const std::string& v : values)
      if (const CellStatistics c = statistics_of(mine, m.name, v); c.seeds) sum += c.mean, ++count;
    if (count && sum / count > highest) highest = sum / count, best = m.name;
  }
  return best;
}

std::string outcome(const std::vector<MetricsRow>& rows) {
  if (rows.empty()) return "no result";
  const Result first = read_results(rows).front();
  if (first.head.failed) return "failed: " + *first.head.failed;
  if (rows.size() > 1) return fmt::format("{} results", rows.size());
  const double share = first.quantity(accuracy);
  return std::isfinite(share) ? fmt::format("{:.2f} %", 100 * share) : "done";
}

void print_report(const Experiment& e, const std::vector<Result>& results, bool markdown) {
  fmt::print("{}", experiment_tables(e, results, markdown));
  if (markdown) return;
  if (!e.published.empty()) fmt::print("\n  published: {}\n", published_of(e).source);
  fmt::print(
      "\n  beside published: ours - theirs; equal: to the last digit; within: inside the 95 % band of "
      "drawing the test images and of the seeds.\n  data: {}\n",
      e.data);
  for (const std::string& d : e.differences) fmt::print("  differs: {}\n", d);
}

void print_recorded(const Experiment& e, const CommandOptions& options) {
  const fs::path recorded = recorded_in(options, e.folder);
  const std::vector<Result> results = read_results(read_metrics(recorded / "results.jsonl"));
  if (results.empty())
    fail(ExitCode::usage, "{} holds no results yet; run `espalier reproduce {} --record`", recorded.string(),
         e.folder.filename().string());
  print_report(e, results, options.markdown);
}

ExperimentPlaces places_of(const Experiment& e, const CommandOptions& options) {
  const std::string name = e.folder.filename().string();
  return {.data = options.data,
          .checkpoints = options.checkpoints.empty() ? fs::path(options.data) / "checkpoints"
                                                     : fs::path(options.checkpoints),
          .runs = !options.output.empty()
                      ? fs::path(options.output)
                      : fs::path("runs") / "reproduce" / (options.quick ? name + "-quick" : name)};
}

/// One run, and its rows of results; a run that cannot be done has one that says why.
std::vector<MetricsRow> run_cell(const ExperimentCell& cell, const CommandOptions& options) {
  try {
    run_verb(cell, options);
    return results_of(cell);
  } catch (const Error& e) {
    if (e.code() != ExitCode::numeric && e.code() != ExitCode::pruning) throw;
    ResultRow head = head_of(cell);
    head.failed = e.what();
    return {to_row(head)};
  }
}

/// The runs of an experiment so far.
struct Progressed {
  std::vector<ExperimentCell> all;
  std::size_t run_now = 0, failed = 0;
};

/// Runs what is not there yet, or with --dry-run lists it.
Progressed run_all(const Experiment& experiment, const ExperimentPlaces& places,
                   const CommandOptions& options, ResultsLog& log) {
  Progressed done;
  const auto best = [&](const ExperimentPart& among, const std::string& value) {
    return best_method(log.results(), among, value);
  };
  const std::set<std::string> only =
      options.only.empty() ? std::set<std::string>() : runs_for(experiment, places, options);
  for (const ExperimentPart& part : experiment.parts) {
    std::vector<ExperimentCell> cells = cells_of(experiment, part, places, options.quick, best);
    if (!only.empty())
      std::erase_if(cells, [&](const ExperimentCell& cell) { return !only.contains(cell.label()); });
    std::size_t at = 0;
    for (const ExperimentCell& cell : cells) {
      done.all.push_back(cell);
      ++at;
      if (log.has(cell)) continue;
      if (options.dry_run) {
        fmt::print("{}\n", cell.label());
        continue;
      }
      check_stop("the runs of an experiment were to go on; the same command goes on");
      const double started = seconds_now();
      const std::vector<MetricsRow> rows = run_cell(cell, options);
      log.add(cell, rows);
      ++done.run_now;
      done.failed += !rows.empty() && find(rows.front(), "failed") != nullptr;
      say(options, fmt::format("{} {}/{}: {}: {} ({})", part.name, at, cells.size(), cell.label(),
                               outcome(rows), format_duration(seconds_now() - started)));
    }
  }
  return done;
}

}  // namespace

void reproduce_command(const CommandOptions& given) {
  CommandOptions options = given;
  if (options.experiments.empty()) options.experiments = own_files("configs/reproduce").string();
  if (options.records.empty()) options.records = own_files("tools/experiments/recorded").string();
  if (options.list) return list_experiments(options);
  if (options.config.empty())
    fail(ExitCode::usage, "name an experiment: espalier reproduce NAME; espalier reproduce --list shows all");
  const Experiment experiment = read_experiment(find_experiment(options));
  if (options.markdown || options.recorded) return print_recorded(experiment, options);
  const ExperimentPlaces places = places_of(experiment, options);
  if (options.record && (options.quick || !options.only.empty()))
    fail(ExitCode::usage, "--record is for the whole experiment; leave out --quick and --only");
  check_configs(experiment, places, options.quick);
  ResultsLog log(places.runs);
  if (!options.dry_run)  // what the results are of, also for their report
    write_file_atomically(places.runs / "experiment.json",
                          read_whole_file(experiment.folder / "experiment.json"));
  if (!options.dry_run && !experiment.published.empty())
    write_file_atomically(places.runs / published_file,
                          read_whole_file(experiment.folder / experiment.published));
  const Progressed done = run_all(experiment, places, options, log);
  if (options.dry_run) return;
  if (options.only.empty()) log.keep_only(done.all);
  if (done.run_now == 0) say(options, fmt::format("all {} runs are here already", done.all.size()));
  const std::vector<Result> results = log.results();
  print_report(experiment, results, false);
  const std::vector<CurvePoint> curves = curves_of(done.all);
  draw_experiment(experiment, results, curves, places.runs / "plots");
  fmt::print("\n  results      {}\n  pictures     {}\n", (places.runs / "metrics.csv").string(),
             (places.runs / "plots").string());
  if (done.failed)
    fmt::print("  failed       {} of {} runs; the column \"failed\" says why\n", done.failed,
               done.all.size());
  if (options.record)
    record(experiment, places, done.all, results, curves, recorded_in(options, experiment.folder));
}

}  // namespace espalier
