#include "tools/run/summary.h"

#include <algorithm>
#include <cmath>

#include "framework/io/progress.h"
#include "framework/io/table.h"
#include "tools/run/plots.h"

namespace espalier {
namespace {

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.2f} %", 100 * share) : "-";
}
std::string signed_change(double v) { return std::isfinite(v) ? fmt::format("{:+.5f}", v) : "-"; }

std::string history(const std::vector<MetricsRow>& rows) {
  Table table({"", "epochs", "sparsity", "test accuracy", "predicted", "measured loss change"});
  double epochs = 0, sparsity = 0;
  bool pruning = false;
  std::string besides;
  for (const MetricsRow& row : rows) {
    const std::string event = text(row, "event");
    if (event == "epoch") epochs = number(row, "epoch");
    if (event == "prune") {
      const std::string at = fmt::format("{:g}", number(row, "epoch"));
      if (!pruning) {
        table.add({"dense, before the first step", at, percent(number(row, "sparsity_before")),
                   percent(number(row, "test_accuracy_before"))});
        table.rule();
      }
      pruning = true;
      sparsity = number(row, "sparsity");
      table.add({"after pruning", at, percent(sparsity), percent(number(row, "test_accuracy")),
                 signed_change(number(row, "predicted_loss_change")),
                 signed_change(number(row, "measured_loss_change"))});
    }
    if (event == "done") {
      if (pruning) table.rule();
      table.add({pruning ? "after fine-tuning" : "trained", fmt::format("{:g}", epochs),
                 percent(number(row, "sparsity")), percent(number(row, "test_accuracy"))});
      if (const double zeros = number(row, "unmasked_zeros"); zeros > 0)
        besides = fmt::format("  besides, {} weights are zero but not pruned: no mask keeps them so\n",
                              format_count(std::llround(zeros)));
    }
  }
  return table.str("  ") + besides;
}

std::string layers(const std::vector<MetricsRow>& rows) {
  if (rows.empty() || text(rows.back(), "event") != "done" || !find(rows.back(), "multiply_adds_kept"))
    return "";  // no layer was to be pruned
  const MetricsRow& done = rows.back();
  Table table({"layer", "weights", "kept", "sparsity"});
  const std::string prefix = "sparsity.";
  for (const auto& [name, value] : done) {
    if (!name.starts_with(prefix)) continue;
    const std::string layer = name.substr(prefix.size());
    const double weights = number(done, "weights." + layer), share = number(done, name);
    table.add({layer, format_count(std::llround(weights)), format_count(std::llround(weights * (1 - share))),
               percent(share)});
  }
  table.rule();
  const double weights = number(done, "weights");
  table.add({"all prunable", format_count(std::llround(weights)),
             format_count(std::llround(weights * (1 - number(done, "sparsity")))),
             percent(number(done, "sparsity"))});
  return table.str("  ");
}

}  // namespace

std::string summary(const RunFolder& folder, const MetricsLog& metrics) {
  const std::string pictures = draw_plots(folder, metrics.rows());
  std::string result = "\n" + history(metrics.rows());
  if (const std::string table = layers(metrics.rows()); !table.empty()) result += "\n" + table;
  const auto line = [&](const char* what, const std::filesystem::path& path) {
    std::error_code unknown;
    if (std::filesystem::exists(path, unknown)) result += fmt::format("  {:<12} {}\n", what, path.string());
  };
  result += "\n";
  line("checkpoint", folder.checkpoint());
  const auto& rows = metrics.rows();  // dense.safetensors may be of an earlier run in the folder
  if (std::any_of(rows.begin(), rows.end(), [](const MetricsRow& r) { return text(r, "event") == "prune"; }))
    line("dense", folder.path() / "dense.safetensors");
  line("metrics", folder.metrics_csv());
  line("config", folder.config());
  return result + pictures;
}

}  // namespace espalier
