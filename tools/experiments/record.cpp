// record.cpp: `espalier reproduce NAME --record`: what the repository keeps of an experiment's runs.
#include "tools/experiments/record.h"

#include <fmt/chrono.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/core/parallel.h"
#include "framework/data/hash.h"
#include "framework/io/atomic_file.h"
#include "framework/io/json_text.h"
#include "tools/experiments/tables.h"
#include "tools/report/published.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

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

std::string curves_csv(const std::vector<CurvePoint>& curves) {
  std::string csv = "part,method,value,seed,event,epoch,sparsity,test_accuracy_before,test_accuracy\n";
  for (const CurvePoint& p : curves)
    csv += fmt::format("{},\"{}\",{},{},{},{:g},{:.4f},{},{:.4f}\n", p.part, p.method, p.value, p.seed,
                       p.step ? "prune" : "epoch", p.epoch, p.sparsity,
                       p.step ? fmt::format("{:.4f}", p.accuracy_before) : "", p.accuracy);
  return csv;
}

/// The resolved config of one run of each part and method: the others differ in value and seed only.
std::string resolved_configs(const std::vector<ExperimentCell>& cells) {
  std::string lines;
  std::set<std::pair<const ExperimentPart*, const ExperimentMethod*>> seen;
  for (const ExperimentCell& cell : cells)
    if (const fs::path config = cell.results_folder() / "config.json";
        fs::exists(config) && seen.emplace(cell.part, cell.method).second)
      lines += Json{{"run", cell.label()}, {"config", read_json(config, ExitCode::io)}}.dump() + "\n";
  return lines;
}

void keep_pictures(const std::vector<ExperimentCell>& cells, const fs::path& folder) {
  for (const ExperimentCell& cell : cells)
    for (const std::string& name : cell.part->pictures)
      if (const fs::path from = cell.results_folder() / "plots" / name;
          cell.seed == cells.front().seed && fs::exists(from)) {
        std::string to = cell.part->name;
        if (cell.method) to += "_" + cell.method_name();
        fs::copy_file(from, folder / (to + "_" + name), fs::copy_options::overwrite_existing);
      }
}

/// The experiment's page: what was done, where and when, tables and pictures.
std::string page_of(const Experiment& e, const std::vector<Result>& results, const Json& about,
                    const fs::path& folder) {
  std::string page = fmt::format(
      "# {}\n\n{}\n\nData: {}. Recorded {} by `{} --record` on {} ({}); `results.csv` holds every run.\n\n",
      e.title, e.about, e.data, about["date"].get<std::string>(), about["command"].get<std::string>(),
      about["machine"].get<std::string>(), about["version"].get<std::string>());
  if (!e.published.empty()) page += fmt::format("Published: {}\n\n", published_of(e).source);
  for (const std::string& d : e.differences) page += fmt::format("- differs: {}\n", d);
  page += "\n" + experiment_tables(e, results, true);
  std::set<std::string> pictures;
  for (const auto& file : fs::directory_iterator(folder))
    if (file.path().extension() == ".png") pictures.insert(file.path().filename().string());
  for (const std::string& name : pictures) page += fmt::format("![{0}]({0})\n\n", name);
  return page;
}

}  // namespace

void record(const Experiment& e, const ExperimentPlaces& places, const std::vector<ExperimentCell>& cells,
            const std::vector<Result>& results, const std::vector<CurvePoint>& curves,
            const fs::path& folder) {
  fs::create_directories(folder);
  for (const auto& [from, to] : {std::pair{"metrics.jsonl", "results.jsonl"},
                                 {"metrics.csv", "results.csv"},
                                 {"experiment.json", "experiment.json"}})
    write_file_atomically(folder / to, read_whole_file(places.runs / from));
  if (!e.published.empty())
    write_file_atomically(folder / published_file, read_whole_file(e.folder / e.published));
  Json hashes = Json::object();
  for (const ExperimentCell& cell : cells)
    if (const fs::path config = cell.results_folder() / "config.json"; fs::exists(config))
      hashes[cell.part->name] = read_json(config, ExitCode::io)["provenance"]["data_hash"];
  const Json about{{"date", today()},
                   {"version", ESPALIER_VERSION},
                   {"machine", fmt::format("{}, {} threads", machine(), threads())},
                   {"command", fmt::format("espalier reproduce {}", e.folder.filename().string())},
                   {"experiment_sha256", sha256(read_whole_file(e.folder / "experiment.json"))},
                   {"data_sha256_by_part", hashes}};
  write_file_atomically(folder / "provenance.json", about.dump(2) + "\n");
  write_file_atomically(folder / "configs.jsonl", resolved_configs(cells));
  if (!curves.empty()) write_file_atomically(folder / "curves.csv", curves_csv(curves));
  for (const auto& file : fs::directory_iterator(folder))
    if (file.path().extension() == ".png") fs::remove(file.path());  // of parts that are gone
  for (const auto& file : fs::directory_iterator(places.runs / "plots"))
    if (file.path().extension() == ".png") fs::copy_file(file.path(), folder / file.path().filename());
  keep_pictures(cells, folder);
  write_file_atomically(folder / "README.md", page_of(e, results, about, folder));
  fmt::print("recorded in {}\n", folder.string());
}

}  // namespace espalier
