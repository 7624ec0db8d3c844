#include "tools/report/report_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "tools/report/report_files.h"
#include "tools/report/report_layers.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t bytes_per_row = 400;  // about, of metrics

/// Whether there is a row of this kind.
template <class Row>
bool has(const Json& rows) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Json& row) { return row.value("event", Json()) == Row::event; });
}

std::string kind_of(const Json& config, const Json& rows) {
  if (std::any_of(rows.begin(), rows.end(), [](const Json& row) { return row.contains("config_sha256"); }))
    return "reproduce";
  if (has<CellRow>(rows)) return "sweep";
  if (has<CurvatureRow>(rows)) return "curvature";
  if (has<PruneRow>(rows)) return "prune";
  return config.is_object() && config.contains("prune") && config["prune"].is_object() ? "prune" : "train";
}

std::string text_of(const Json& object, const char* member) {
  const Json value = object.is_object() ? object.value(member, Json()) : Json();
  return value.is_string() ? value.get<std::string>() : "";
}

/// The folder's name, also of "." and "runs/a/".
std::string name_of(const fs::path& folder) {
  std::error_code unknown;
  const fs::path whole = fs::weakly_canonical(folder, unknown);
  return whole.filename().empty() ? folder.string() : whole.filename().string();
}

/// Histograms of the steps that the metrics know; of a step that was repeated after a stop, the last.
Json saliency_of(const Json& lines, const Json& rows) {
  const auto key = [](const Json& row) {
    return std::tuple(row.value("epoch", Json()), row.value("sub_step", Json()));
  };
  Json steps = Json::array();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto same = [&](const Json& later) {
      return key(later) == key(lines[i]) && later.value("layer", Json()) == lines[i].value("layer", Json());
    };
    const bool known = std::any_of(rows.begin(), rows.end(), [&](const Json& row) {
      return row.value("event", Json()) == PruneRow::event && key(row) == key(lines[i]);
    });
    if (known && std::none_of(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1, lines.end(), same))
      steps.push_back(lines[i]);
  }
  return steps;
}

/// evaluation.json, without the matrix of very many classes.
Json evaluation_of(FolderReader& reader) {
  constexpr std::size_t most_classes = 100;
  Json evaluation = reader.object("evaluation.json");
  if (evaluation.is_object() && evaluation.value("confusion", Json()).size() > most_classes) {
    evaluation.erase("confusion");
    reader.notice(
        "To keep the page small, the confusion matrix of more than {} classes is not in it; `espalier "
        "evaluate --json` prints it.",
        most_classes);
  }
  return evaluation;
}

}  // namespace

Json read_run(const fs::path& folder, std::size_t budget) {
  std::error_code unknown;
  if (!fs::is_directory(folder, unknown))
    fail(ExitCode::usage, "{}: is no folder; give the folder of a run, such as runs/quickstart",
         folder.string());
  // A study in a folder of its own: `curvature --output X` writes X/curvature.
  if (!fs::exists(folder / "config.json", unknown) && fs::exists(folder / "curvature" / "config.json", unknown))
    return read_run(folder / "curvature", budget);
  FolderReader reader(folder);
  const auto known = {"config.json",       "metrics.jsonl", "checkpoint.safetensors",
                      "dense.safetensors", "tour.json",     "results.jsonl"};
  if (std::none_of(known.begin(), known.end(), [&](const char* file) { return reader.has(file); }))
    fail(ExitCode::usage,
         "{}: holds no run: there is none of {}; give the folder that train, prune, sweep, curvature or "
         "reproduce wrote",
         folder.string(), fmt::join(known, ", "));

  const std::size_t most_rows = std::max<std::size_t>(budget / 3 / bytes_per_row, 100);
  // The recorded results of an experiment (configs/reproduce/NAME) are rows of the same kind.
  const char* rows_file = reader.has("metrics.jsonl") ? "metrics.jsonl" : "results.jsonl";
  const Json config = reader.object("config.json"), rows = reader.rows(rows_file, true, most_rows);
  const std::string kind = kind_of(config, rows), recorded = text_of(config, "name");
  for (const Json& row : rows)
    if (row.value("event", Json()) == "notice" && !text_of(row, "text").empty())
      reader.notice("The run said: {}", text_of(row, "text"));
  if (kind != "reproduce" && !reader.has("config.json"))
    reader.notice("config.json is missing: settings and how to repeat the run are unknown.");
  if (!reader.has(rows_file))
    reader.notice("metrics.jsonl is missing: there are no numbers of training and pruning.");
  Json run{{"name", recorded.empty() ? name_of(folder) : recorded},
           {"kind", kind},
           {"folder", folder.lexically_normal().string()},
           {"config", config},
           {"metrics", rows},
           {"files", reader.listing()}};
  run["saliency"] = saliency_of(reader.rows("saliency.jsonl", false, most_rows), rows);
  run["curvature"] = reader.rows("curvature/metrics.jsonl", true, most_rows);
  // dense.safetensors may be of an earlier run in the folder.
  run["layers"] = read_layers(reader.path_of("checkpoint.safetensors"),
                              has<PruneRow>(rows) ? reader.path_of("dense.safetensors") : fs::path(),
                              budget / 2, reader.notices);
  if (reader.has("evaluation.json")) run["evaluation"] = evaluation_of(reader);
  if (kind == "reproduce") run["experiment"] = reader.object("experiment.json");
  const char* tour_file = reader.has("tour.json") ? "tour.json" : "curvature/tour.json";
  if (reader.has(tour_file) && fs::file_size(folder / tour_file, unknown) > budget)
    reader.notice("To keep the page small, the visual tour of this run is not in it; its own report has it.");
  else if (Json tour = reader.object(tour_file); !tour.is_null())
    run["tour"] = std::move(tour);
  run["notices"] = reader.notices;
  return run;
}

}  // namespace espalier
