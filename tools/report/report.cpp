#include "tools/report/report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "tools/report/published.h"
#include "tools/report/report_assets.h"
#include "tools/report/report_run.h"
#include "tools/report/report_text.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t data_budget = 2 << 20;  // bytes of all runs' data; see read_run

std::string page_title(const Json& runs) {
  if (runs.size() == 1) return runs[0]["name"].get<std::string>() + " - Espalier report";
  return fmt::format("{} runs - Espalier report", runs.size());
}

Json as_json(const Published& published) {
  Json rows = Json::array();
  for (const PublishedRow& row : published.rows)
    rows.push_back({{"method", row.method}, {"accuracy", row.accuracy}});
  return {{"source", published.source}, {"rows", std::move(rows)}};
}

/// The accuracies that an experiment is held against, which lie with its results; empty: none.
fs::path published_beside(const Json& run) {
  const fs::path file = fs::path(run["folder"].get<std::string>()) / published_file;
  std::error_code unknown;
  return run["kind"] == "reproduce" && fs::is_regular_file(file, unknown) ? file : fs::path();
}

/// The files asked for, and those that the runs' sweeps and experiments were held against, each once.
Json read_all_published(const std::vector<std::string>& asked, Json& runs) {
  Json list = Json::array();
  for (const std::string& path : asked) list.push_back(as_json(read_published(path)));
  for (Json& run : runs) {
    if (const fs::path own = published_beside(run); !own.empty()) {
      try {
        list.push_back(as_json(read_published(own)));
        list.back()["of"] = run["folder"];
      } catch (const std::exception& e) {
        run["notices"].push_back(fmt::format("The published accuracies beside these results are missing: {}", e.what()));
      }
    }
    const Json path = run["config"].is_object()
                          ? run["config"].value(Json::json_pointer("/sweep/published"), Json())
                          : Json();
    if (!path.is_string() || path.get<std::string>().empty()) continue;
    try {
      Json one = as_json(read_published(path.get<std::string>()));
      if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(std::move(one));
    } catch (const std::exception& e) {
      run["notices"].push_back(fmt::format(
          "The published accuracies beside this sweep are missing; give them with --published FILE: {}",
          e.what()));
    }
  }
  return list;
}

/// Runs of one name get their folder beside it.
void tell_apart(Json& runs) {
  std::map<std::string, int> count;
  for (const Json& run : runs) ++count[run["name"].get<std::string>()];
  for (Json& run : runs)
    if (const auto name = run["name"].get<std::string>(); count[name] > 1)
      run["name"] = fmt::format("{} ({})", name, run["folder"].get<std::string>());
}

std::string assemble(const Json& data) {
  const std::string json = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fill_template(report_page,
                       {{"policy", script_source(report_vega) + " " + script_source(report_script)},
                        {"title", escape_html(page_title(data["runs"]))},
                        {"style", report_style},
                        {"licence", escape_html(report_licence)},
                        {"data", escape_json_for_html(json)},
                        {"vega", report_vega},
                        {"script", report_script}});
}

}  // namespace

fs::path write_report(const ReportOptions& options) {
  Json runs = Json::array();
  for (const std::string& run : options.runs)
    runs.push_back(read_run(run, data_budget / options.runs.size()));
  tell_apart(runs);
  Json published = read_all_published(options.published, runs);
  const Json data{{"format", 1},
                  {"version", ESPALIER_VERSION},
                  {"columns", columns_json()},
                  {"runs", std::move(runs)},
                  {"published", std::move(published)}};
  fs::path output = options.output;
  if (output.empty())
    output = options.runs.size() == 1 ? fs::path(options.runs[0]) / "report.html" : "report.html";
  write_file_atomically(output, assemble(data));
  return output;
}

std::string report_line(const fs::path& run) {
  try {
    return fmt::format("  {:<12} {}\n", "report",
                       write_report({.runs = {run.string()}, .output = {}, .published = {}}).string());
  } catch (const Error& e) {
    if (e.code() == ExitCode::io) throw;
    return fmt::format("  report       not written: {}\n", e.what());
  }
}

void report_command(const ReportOptions& options) {
  fmt::print("  {:<12} {}\n", "report", write_report(options).string());
}

}  // namespace espalier
