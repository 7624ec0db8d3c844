// reproduce.cpp: `espalier reproduce NAME`: the runs of an experiment one after another, each in its own
// folder, and their results beside the published ones. A run that is there already with the same config is
// not repeated.
#include <fmt/chrono.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/core/parallel.h"
#include "framework/data/hash.h"
#include "framework/io/atomic_file.h"
#include "framework/io/progress.h"
#include "framework/io/run_folder.h"
#include "tools/espalier/reproduce_report.h"
#include "tools/espalier/session.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return hash.hex();
}

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

/// A study's layers are rows of the table.
std::string method_and_layer(const std::string& method, const std::string& layer) {
  return method.empty() ? layer : method + ", " + layer;
}

/// Rows that one run adds to the results: of a sweep and a study of curvature one for each of its cells, else
/// one.
std::vector<MetricsRow> results_of(const ExperimentCell& cell, const MetricsRow& head) {
  const bool curvature = cell.part->verb == "curvature";
  const std::vector<MetricsRow> rows =
      read_metrics((curvature ? cell.folder / "curvature" : cell.folder) / "metrics.jsonl");
  const auto joined = [&](const MetricsRow& row, const std::string& value) {
    MetricsRow all = head;
    for (auto& [name, v] : all)
      if (name == "value") v = value;
    for (const auto& [name, v] : row)
      if (name != "event" && !find(all, name)) all.emplace_back(name, v);
    return all;
  };
  std::vector<MetricsRow> results;
  double test_images = NAN, predicted = 0, measured = 0, seconds = 0;
  std::int64_t steps = 0;
  for (const MetricsRow& row : rows) {
    const std::string event = text(row, "event");
    if (event == "dense") test_images = number(row, "test_images");
    if (event == "cell") {
      results.push_back(joined(row, fmt::format("{:g}", number(row, "target"))));
      if (std::isfinite(test_images))
        results.back().emplace_back("test_images", static_cast<std::int64_t>(test_images));
    }
    if (event == "curvature") {
      results.push_back(joined(row, fmt::format("{:g}", number(row, "examples"))));
      for (auto& [name, value] : results.back())
        if (name == "method") value = method_and_layer(text(head, "method"), text(row, "layer"));
    }
    if (event == "prune") {
      predicted += number(row, "predicted_loss_change");
      measured += number(row, "measured_loss_change");
      ++steps;
    }
    if (event == "epoch" || event == "prune")
      seconds += std::isfinite(number(row, "seconds")) ? number(row, "seconds") : 0;
    if (event == "done") {
      results.push_back(joined(row, text(head, "value")));
      if (steps) {
        results.back().emplace_back("steps", steps);
        results.back().emplace_back("predicted_loss_change", predicted);
        results.back().emplace_back("measured_loss_change", measured);
      }
      results.back().emplace_back("seconds", seconds);
    }
  }
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

/// A value of the setting that varies, as the tables show it: numbers as "{:g}", strings without quotes.
std::string plain(const std::string& json) {
  if (json.empty()) return "";
  const Json v = Json::parse(json);
  return v.is_number()   ? fmt::format("{:g}", v.get<double>())
         : v.is_string() ? v.get<std::string>()
                         : v.dump();
}

std::string best_method(const Results& results, const ExperimentPart& among, const std::string& value) {
  std::string best;
  double highest = -1;
  for (const ExperimentMethod& m : among.methods)
    if (const CellStatistics c = statistics_of(results.rows(), among.name, m.name, plain(value));
        c.seeds && c.mean > highest) {
      highest = c.mean;
      best = m.name;
    }
  return best;
}

MetricsRow head_of(const ExperimentCell& cell) {
  return {{"run", cell.label()},
          {"part", cell.part->name},
          {"method", cell.method ? cell.method->name : std::string()},
          {"value", plain(cell.value)},
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

std::string machine() {
  std::string name = "unknown CPU";
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("model name")) {
      name = line.substr(line.find(':') + 2);
      break;
    }
  return name;
}

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

/// Epochs and pruning steps of all runs that train.
std::vector<CurvePoint> curves_of(const std::vector<ExperimentCell>& cells) {
  std::vector<CurvePoint> curves;
  for (const ExperimentCell& cell : cells) {
    if (cell.part->verb != "train" && cell.part->verb != "prune") continue;
    std::vector<CurvePoint> run;
    bool trained = false;
    for (const MetricsRow& row : read_metrics(cell.folder / "metrics.jsonl")) {
      const std::string event = text(row, "event");
      if (event != "epoch" && event != "prune") continue;
      trained = trained || event == "epoch";
      run.push_back({.part = cell.part->name,
                     .method = cell.method ? cell.method->name : std::string(),
                     .value = plain(cell.value),
                     .seed = cell.seed,
                     .step = event == "prune",
                     .epoch = number(row, "epoch"),
                     .sparsity = number(row, "sparsity"),
                     .accuracy_before = number(row, "test_accuracy_before"),
                     .accuracy = number(row, "test_accuracy")});
      if (event == "epoch") run.back().sparsity = run.size() > 1 ? run[run.size() - 2].sparsity : 0;
    }
    if (trained) curves.insert(curves.end(), run.begin(), run.end());
  }
  return curves;
}

std::string curves_csv(const std::vector<CurvePoint>& curves) {
  std::string csv = "part,method,value,seed,event,epoch,sparsity,test_accuracy_before,test_accuracy\n";
  for (const CurvePoint& p : curves)
    csv += fmt::format("{},\"{}\",{},{},{},{:g},{:.4f},{},{:.4f}\n", p.part, p.method, p.value, p.seed,
                       p.step ? "prune" : "epoch", p.epoch, p.sparsity,
                       p.step ? fmt::format("{:.4f}", p.accuracy_before) : "", p.accuracy);
  return csv;
}

fs::path run_folder_of(const ExperimentCell& cell) {
  return cell.part->verb == "curvature" ? cell.folder / "curvature" : cell.folder;
}

/// The resolved config of one run of each part and method: the others differ in value and seed only.
std::string resolved_configs(const std::vector<ExperimentCell>& cells) {
  std::string lines;
  std::set<std::pair<const ExperimentPart*, const ExperimentMethod*>> seen;
  for (const ExperimentCell& cell : cells)
    if (const fs::path config = run_folder_of(cell) / "config.json";
        fs::exists(config) && seen.emplace(cell.part, cell.method).second)
      lines += Json{{"run", cell.label()}, {"config", Json::parse(read_whole_file(config))}}.dump() + "\n";
  return lines;
}

void keep_pictures(const Experiment& e, const std::vector<ExperimentCell>& cells) {
  for (const ExperimentCell& cell : cells)
    for (const std::string& name : cell.part->pictures)
      if (const fs::path from = run_folder_of(cell) / "plots" / name;
          cell.seed == cells.front().seed && fs::exists(from)) {
        std::string to = cell.part->name;
        if (cell.method) to += "_" + cell.method->name;
        fs::copy_file(from, e.folder / (to + "_" + name), fs::copy_options::overwrite_existing);
      }
}

/// The experiment's page: what was done, where and when, tables and pictures.
std::string page_of(const Experiment& e, const Json& about) {
  std::string page = fmt::format(
      "# {}\n\n{}\n\nData: {}. Recorded {} by `{} --record` on {} ({}); `results.csv` holds every run.\n\n",
      e.title, e.about, e.data, about["date"].get<std::string>(), about["command"].get<std::string>(),
      about["machine"].get<std::string>(), about["version"].get<std::string>());
  if (!e.published.empty())
    page += fmt::format("Published: {}\n\n", read_published(e.folder / e.published).source);
  for (const std::string& d : e.differences) page += fmt::format("- differs: {}\n", d);
  page += "\n" + experiment_tables(e, read_metrics(e.folder / "results.jsonl"), true);
  std::set<std::string> pictures;
  for (const auto& file : fs::directory_iterator(e.folder))
    if (file.path().extension() == ".png") pictures.insert(file.path().filename().string());
  for (const std::string& name : pictures) page += fmt::format("![{0}]({0})\n\n", name);
  return page;
}

/// Results with what is needed to repeat them into the experiment's own folder, small enough for a
/// repository.
void record(const Experiment& e, const ExperimentPlaces& places, const std::vector<ExperimentCell>& cells) {
  for (const char* extension : {"jsonl", "csv"})
    write_file_atomically(e.folder / fmt::format("results.{}", extension),
                          read_whole_file(places.runs / fmt::format("metrics.{}", extension)));
  Json hashes = Json::object();
  for (const ExperimentCell& cell : cells)
    if (const fs::path config = run_folder_of(cell) / "config.json"; fs::exists(config))
      hashes[cell.part->name] = Json::parse(read_whole_file(config))["provenance"]["data_hash"];
  const Json about{{"date", today()},
                   {"version", ESPALIER_VERSION},
                   {"machine", fmt::format("{}, {} threads", machine(), threads())},
                   {"command", fmt::format("espalier reproduce {}", e.folder.filename().string())},
                   {"experiment_sha256", sha256(read_whole_file(e.folder / "experiment.json"))},
                   {"data_sha256_by_part", hashes}};
  write_file_atomically(e.folder / "provenance.json", about.dump(2) + "\n");
  write_file_atomically(e.folder / "configs.jsonl", resolved_configs(cells));
  const std::vector<CurvePoint> curves = curves_of(cells);
  if (!curves.empty()) write_file_atomically(e.folder / "curves.csv", curves_csv(curves));
  for (const auto& file : fs::directory_iterator(e.folder))
    if (file.path().extension() == ".png") fs::remove(file.path());  // of parts that are gone
  draw_experiment(e, read_metrics(e.folder / "results.jsonl"), curves, e.folder);
  for (const auto& file : fs::directory_iterator(e.folder))
    if (file.path().extension() == ".gp") fs::remove(file.path());  // the data is in results.csv
  keep_pictures(e, cells);
  write_file_atomically(e.folder / "README.md", page_of(e, about));
  fmt::print("recorded in {}\n", e.folder.string());
}

void print_report(const Experiment& e, const std::vector<MetricsRow>& rows, bool markdown) {
  fmt::print("{}", experiment_tables(e, rows, markdown));
  if (markdown) return;
  if (!e.published.empty()) fmt::print("\n  published: {}\n", read_published(e.folder / e.published).source);
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
      const auto started = std::chrono::steady_clock::now();
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
                   outcome(rows),
                   format_duration(
                       std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count()));
    }
  }
  if (options.dry_run) return;
  if (only.empty()) results.keep_only(all);
  if (repeated == 0 && !options.quiet) fmt::print(stderr, "all {} runs are here already\n", all.size());
  print_report(experiment, results.rows(), false);
  draw_experiment(experiment, results.rows(), curves_of(all), places.runs / "plots");
  fmt::print("\n  results      {}\n  pictures     {}\n", (places.runs / "metrics.csv").string(),
             (places.runs / "plots").string());
  if (failed)
    fmt::print("  failed       {} of {} runs; the column \"failed\" says why\n", failed, all.size());
  if (options.record) record(experiment, places, all);
}

}  // namespace espalier
