#include "tools/espalier/report.h"

#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "tools/espalier/report_assets.h"
#include "tools/espalier/report_run.h"
#include "tools/espalier/report_text.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t data_budget = 3 << 20;  // bytes of all runs' data: with Vega, the page stays below 5 MB

std::string page_title(const Json& runs) {
  if (runs.size() == 1) return runs[0]["name"].get<std::string>() + " - Espalier report";
  return fmt::format("{} runs - Espalier report", runs.size());
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
  const Json data{{"format", 1}, {"version", ESPALIER_VERSION}, {"runs", std::move(runs)}};
  fs::path output = options.output;
  if (output.empty())
    output = options.runs.size() == 1 ? fs::path(options.runs[0]) / "report.html" : "report.html";
  write_file_atomically(output, assemble(data));
  return output;
}

void report_command(const ReportOptions& options) {
  fmt::print("  {:<12} {}\n", "report", write_report(options).string());
}

}  // namespace espalier
