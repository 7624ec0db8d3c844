// reproduce.cpp: `espalier reproduce NAME`: the runs of an experiment one after another, each in its own
// folder, and their results beside the published ones. A run that is there already with the same config is
// not repeated.
#include <algorithm>
#include <cmath>
#include <set>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/core/clock.h"
#include "framework/data/hash.h"
#include "framework/io/atomic_file.h"
#include "framework/io/progress.h"
#include "framework/io/run_folder.h"
#include "tools/experiments/reproduce_record.h"
#include "tools/run/session.h"

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

void list_experiments(const fs::path& root) {
  const std::vector<fs::path> all = all_experiments(root);
  if (all.empty())
    fail(ExitCode::usage, "{} holds no experiments (folders with an experiment.json); give --experiments DIR",
         root.string());
  for (const fs::path& folder : all) {
    const Experiment e = read_experiment(folder);
    const std::size_t recorded = read_metrics(folder / "results.jsonl").size();
    fmt::print(
        "{:<28} {}\n{:<28} {} parts, {}\n", folder.filename().string(), e.title, "", e.parts.size(),
        recorded ? fmt::format("{} recorded results", recorded) : std::string("no recorded results yet"));
  }
}

fs::path find_experiment(const CommandOptions& options) {
  if (fs::exists(fs::path(options.config) / "experiment.json")) return options.config;
  const fs::path root = options.experiments;
  if (fs::exists(root / options.config / "experiment.json")) return root / options.config;
  std::vector<std::string> names;
  for (const fs::path& p : all_experiments(root)) names.push_back(p.filename().string());
  fail(ExitCode::usage, "there is no experiment \"{}\"{} ({} has: {})", options.config,
       did_you_mean(options.config, names), root.string(),
       names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

/// The row that a run adds to the results: what it is, then `row` of its metrics.
MetricsRow joined(const MetricsRow& head, const std::string& method, const std::string& value,
                  const MetricsRow& row) {
  MetricsRow all = head;
  for (auto& [name, v] : all) {
    if (name == "method") v = method;
    if (name == "value") v = value;
  }
  for (const auto& [name, v] : row)
    if (name != "event" && !find(all, name)) all.emplace_back(name, v);
  return all;
}

/// What a run's pruning steps up to some moment add up to.
struct StepTotals {
  std::int64_t steps = 0;
  double predicted = 0, measured = 0, seconds = 0;

  void add(const MetricsRow& row) {
    if (const double s = number(row, "seconds"); std::isfinite(s)) seconds += s;
    if (text(row, "event") != "prune") return;
    predicted += number(row, "predicted_loss_change");
    measured += number(row, "measured_loss_change");
    ++steps;
  }
  void put(MetricsRow& row) const {
    if (steps)
      row.insert(
          row.end(),
          {{"steps", steps}, {"predicted_loss_change", predicted}, {"measured_loss_change", measured}});
    row.emplace_back("seconds", seconds);
  }
};

/// Rows that one run adds to the results: of a sweep and a study of curvature one for each of its cells, of a
/// part with "every_level" one for each level of the schedule, else one.
std::vector<MetricsRow> results_of(const ExperimentCell& cell, const MetricsRow& head) {
  const std::string method = cell.method_name();
  std::vector<MetricsRow> results;
  MetricsRow reached;  // last step of the level so far
  StepTotals totals, at_level;
  double test_images = NAN;
  const auto close_level = [&] {
    if (reached.empty()) return;
    for (const char* name : {"predicted_loss_change", "measured_loss_change", "seconds"})
      std::erase_if(reached, [&](const auto& column) { return column.first == name; });
    results.push_back(joined(head, method, fmt::format("{:g}", number(reached, "target")), reached));
    at_level.put(results.back());
  };
  for (const MetricsRow& row : read_metrics(cell.results_folder() / "metrics.jsonl")) {
    const std::string event = text(row, "event");
    if (event == "dense" || event == "done") test_images = number(row, "test_images");
    if (event == "cell")
      results.push_back(joined(head, method, fmt::format("{:g}", number(row, "target")), row));
    if (event == "curvature") {
      // A study's layers are rows of the table.
      const std::string layer = text(row, "layer");
      results.push_back(joined(head, method.empty() ? layer : method + ", " + layer,
                               fmt::format("{:g}", number(row, "examples")), row));
    }
    if (event == "prune" && cell.part->every_level) {
      if (number(row, "target") != number(reached, "target")) close_level();
      reached = row;
    }
    if (event == "epoch" || event == "prune") totals.add(row);
    if (event == "prune") at_level = totals;
    if (event != "done") continue;
    if (cell.part->every_level) {
      close_level();
    } else {
      results.push_back(joined(head, method, cell.shown_value(), row));
      totals.put(results.back());
    }
  }
  for (MetricsRow& row : results)
    if (std::isfinite(test_images) && !find(row, "test_images"))
      row.emplace_back("test_images", static_cast<std::int64_t>(test_images));
  return results;
}

void run_verb(const ExperimentCell& cell, const CommandOptions& options) {
  CommandOptions run;
  run.config = (cell.folder / "cell.json").string();
  run.output = cell.folder.string();
  run.threads = options.threads;
  run.resume = run.quiet = true;
  run.summary = false;
  const std::string& verb = cell.part->verb;
  if (verb == "train") train_command(run);
  if (verb == "prune") prune_command(run);
  if (verb == "sweep") sweep_command(run);
  if (verb == "curvature") curvature_command(run);
}

/// Results of finished cells: runs/.../metrics.jsonl, every row with the cell and the hash of its config.
class Results {
 public:
  explicit Results(const fs::path& folder) : folder_(folder), log_(folder_.path()) {}
  const std::vector<MetricsRow>& rows() const { return log_.rows(); }
  bool has(const ExperimentCell& cell) const {
    const std::string hash = sha256(cell.config);
    return std::any_of(rows().begin(), rows().end(), [&](const MetricsRow& r) {
      return text(r, "run") == cell.label() && text(r, "config_sha256") == hash;
    });
  }
  /// Rows of a config that the cell had before are dropped.
  void add(const ExperimentCell& cell, const std::vector<MetricsRow>& rows) {
    keep_those([&](const std::string& run) { return run != cell.label(); });
    for (const MetricsRow& r : rows) log_.append(r);
  }
  /// Drops rows of runs that the experiment no longer has.
  void keep_only(const std::vector<ExperimentCell>& cells) {
    std::set<std::string> names;
    for (const ExperimentCell& cell : cells) names.insert(cell.label());
    keep_those([&](const std::string& run) { return names.contains(run); });
  }

 private:
  template <class Keep>
  void keep_those(const Keep& keep) {
    std::vector<MetricsRow> kept;
    for (const MetricsRow& r : log_.rows())
      if (keep(text(r, "run"))) kept.push_back(r);
    if (kept.size() == log_.size()) return;
    log_.truncate(0);
    for (const MetricsRow& r : kept) log_.append(r);
  }

  RunFolder folder_;
  MetricsLog log_;
};

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

/// A cell's config as it was, so that a folder is not continued with another one.
void prepare_folder(const ExperimentCell& cell) {
  fs::create_directories(cell.folder);
  const fs::path file = cell.folder / "cell.json";
  std::error_code unknown;
  if (fs::exists(file, unknown) && read_whole_file(file) != cell.config) {
    fs::remove_all(cell.folder);
    fs::create_directories(cell.folder);
  }
  write_file_atomically(file, cell.config);
}

/// The method with the best mean accuracy at a value,
/// or over all of them if nothing varies. Empty: no results.
std::string best_method(const Results& results, const ExperimentPart& among, const std::string& value) {
  std::set<std::string> values{shown(value)};
  if (value.empty())
    for (const MetricsRow& row : results.rows())
      if (text(row, "part") == among.name) values.insert(text(row, "value"));
  std::string best;
  double highest = -1;
  for (const ExperimentMethod& m : among.methods) {
    double sum = 0;
    int count = 0;
    for (const std::string& v : values)
      if (const CellStatistics c = statistics_of(results.rows(), among.name, m.name, v); c.seeds)
        sum += c.mean, ++count;
    if (count && sum / count > highest) highest = sum / count, best = m.name;
  }
  return best;
}

MetricsRow head_of(const ExperimentCell& cell) {
  return {{"run", cell.label()},
          {"part", cell.part->name},
          {"method", cell.method_name()},
          {"value", cell.shown_value()},
          {"seed", static_cast<std::int64_t>(cell.seed)},
          {"config_sha256", sha256(cell.config)}};
}

std::string outcome(const std::vector<MetricsRow>& rows) {
  if (rows.empty()) return "no result";
  if (const std::string f = text(rows.front(), "failed"); !f.empty()) return "failed: " + f;
  if (rows.size() > 1) return fmt::format("{} results", rows.size());
  const double accuracy = number(rows.front(), "test_accuracy");
  return std::isfinite(accuracy) ? fmt::format("{:.2f} %", 100 * accuracy) : "done";
}

void print_report(const Experiment& e, const std::vector<MetricsRow>& rows, bool markdown) {
  fmt::print("{}", experiment_tables(e, rows, markdown));
  if (markdown) return;
  if (!e.published.empty()) fmt::print("\n  published: {}\n", published_of(e).source);
  fmt::print(
      "\n  beside published: ours - theirs; equal: to the last digit; within: inside the 95 % band of "
      "drawing the test "
      "images and of the seeds.\n  data: {}\n",
      e.data);
  for (const std::string& d : e.differences) fmt::print("  differs: {}\n", d);
}

}  // namespace

void reproduce_command(const CommandOptions& options) {
  if (options.list) return list_experiments(options.experiments);
  if (options.config.empty())
    fail(ExitCode::usage, "name an experiment: espalier reproduce NAME; espalier reproduce --list shows all");
  const Experiment experiment = read_experiment(find_experiment(options));
  const std::string name = experiment.folder.filename().string();
  if (options.markdown || options.recorded) {
    const std::vector<MetricsRow> rows = read_metrics(experiment.folder / "results.jsonl");
    if (rows.empty())
      fail(ExitCode::usage, "{} holds no results yet; run `espalier reproduce {} --record`",
           experiment.folder.string(), name);
    return print_report(experiment, rows, options.markdown);
  }
  const ExperimentPlaces places{
      .data = options.data,
      .checkpoints = options.checkpoints.empty() ? fs::path(options.data) / "checkpoints"
                                                 : fs::path(options.checkpoints),
      .runs = !options.output.empty()
                  ? fs::path(options.output)
                  : fs::path("runs") / "reproduce" / (options.quick ? name + "-quick" : name)};
  if (options.record && (options.quick || !options.only.empty()))
    fail(ExitCode::usage, "--record is for the whole experiment; leave out --quick and --only");
  check_configs(experiment, places, options.quick);
  Results results(places.runs);
  const auto best = [&](const ExperimentPart& among, const std::string& value) {
    return best_method(results, among, value);
  };
  std::vector<ExperimentCell> all;
  std::size_t repeated = 0, failed = 0;
  const std::set<std::string> only =
      options.only.empty() ? std::set<std::string>() : runs_for(experiment, places, options);
  for (const ExperimentPart& part : experiment.parts) {
    std::vector<ExperimentCell> cells = cells_of(experiment, part, places, options.quick, best);
    if (!only.empty())
      std::erase_if(cells, [&](const ExperimentCell& cell) { return !only.contains(cell.label()); });
    std::size_t at = 0;
    for (const ExperimentCell& cell : cells) {
      all.push_back(cell);
      ++at;
      if (results.has(cell)) continue;
      if (options.dry_run) {
        fmt::print("{}\n", cell.label());
        continue;
      }
      prepare_folder(cell);
      const double started = seconds_now();
      std::vector<MetricsRow> rows;
      try {
        run_verb(cell, options);
        rows = results_of(cell, head_of(cell));
      } catch (const Error& e) {
        if (e.code() != ExitCode::numeric && e.code() != ExitCode::pruning) throw;
        rows.push_back(head_of(cell));  // this cell can't be done; the others can
        rows.back().emplace_back("failed", std::string(e.what()));
        ++failed;
      }
      results.add(cell, rows);
      ++repeated;
      if (!options.quiet)
        fmt::print(stderr, "{} {}/{}: {}: {} ({})\n", part.name, at, cells.size(), cell.label(),
                   outcome(rows), format_duration(seconds_now() - started));
    }
  }
  if (options.dry_run) return;
  if (only.empty()) results.keep_only(all);
  if (repeated == 0 && !options.quiet) fmt::print(stderr, "all {} runs are here already\n", all.size());
  print_report(experiment, results.rows(), false);
  const std::vector<CurvePoint> curves = curves_of(all);
  draw_experiment(experiment, results.rows(), curves, places.runs / "plots");
  fmt::print("\n  results      {}\n  pictures     {}\n", (places.runs / "metrics.csv").string(),
             (places.runs / "plots").string());
  if (failed)
    fmt::print("  failed       {} of {} runs; the column \"failed\" says why\n", failed, all.size());
  if (options.record) record(experiment, places, all, results.rows(), curves);
}

}  // namespace espalier
