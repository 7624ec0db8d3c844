#include "tools/run/summary.h"

#include <cmath>

#include "framework/io/progress.h"
#include "framework/io/table.h"
#include "tools/run/plots.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.2f} %", 100 * share) : "-";
}
std::string signed_change(double v) { return std::isfinite(v) ? fmt::format("{:+.5f}", v) : "-"; }

std::string history(const std::vector<MetricsRow>& rows) {
  Table table({"", "epochs", "sparsity", "test accuracy", "predicted", "measured loss change"});
  std::int64_t epochs = 0;
  bool pruning = false;
  for (const MetricsRow& row : rows) {
    if (const auto epoch = read_row<EpochRow>(row)) epochs = epoch->epoch;
    if (const auto step = read_row<PruneRow>(row)) {
      const std::string at = std::to_string(step->epoch);
      if (!pruning) {
        table.add({"dense, before the first step", at, percent(step->sparsity_before),
                   percent(step->test_accuracy_before)});
        table.rule();
      }
      pruning = true;
      table.add({"after pruning", at, percent(step->sparsity), percent(step->test_accuracy),
                 signed_change(step->predicted_loss_change.value_or(NAN)),
                 signed_change(step->measured_loss_change)});
    }
    if (const auto done = read_row<DoneRow>(row)) {
      if (pruning) table.rule();
      table.add({pruning ? "after fine-tuning" : "trained", std::to_string(epochs),
                 percent(pruning ? done->sparsity.value_or(NAN) : 0), percent(done->test_accuracy)});
    }
  }
  return table.str("  ");
}

std::string layers(const DoneRow& done) {
  Table table({"layer", "weights", "kept", "sparsity"});
  const auto line = [&](const std::string& name, std::int64_t weights, double sparsity) {
    table.add({name, format_count(weights),
               format_count(std::llround(static_cast<double>(weights) * (1 - sparsity))), percent(sparsity)});
  };
  for (std::size_t l = 0; l < done.sparsities.size(); ++l)
    line(done.sparsities[l].first, done.layer_weights[l].second, done.sparsities[l].second);
  table.rule();
  line("all prunable", done.weights.value_or(0), *done.sparsity);
  return table.str("  ");
}

}  // namespace

std::string summary(const RunFolder& folder, const MetricsLog& metrics) {
  const std::string pictures = draw_plots(folder, metrics.rows());
  std::string result = "\n" + history(metrics.rows());
  const std::optional<DoneRow> done =
      metrics.rows().empty() ? std::nullopt : read_row<DoneRow>(metrics.rows().back());
  if (done && done->sparsity && done->sparsities.size() == done->layer_weights.size())
    result += "\n" + layers(*done);
  const auto line = [&](const char* what, const std::filesystem::path& path) {
    std::error_code unknown;
    if (std::filesystem::exists(path, unknown)) result += fmt::format("  {:<12} {}\n", what, path.string());
  };
  result += "\n";
  line("checkpoint", folder.checkpoint());
  // dense.safetensors may be of an earlier run in the folder
  if (!rows_of<PruneRow>(metrics.rows()).empty()) line("dense", folder.path() / "dense.safetensors");
  line("metrics", folder.metrics_csv());
  line("config", folder.config());
  return result + pictures;
}

}  // namespace espalier
