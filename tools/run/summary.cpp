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

/// What sparsity costs; without a twin, that the table's first and last line do not say it.
std::string price(const DoneRow& done, std::int64_t dense_epochs, std::int64_t epochs) {
  if (done.price_of_sparsity)
    return fmt::format(
        "  price of {} sparsity: {:+.2f} points of accuracy, standard error {:.2f} (the same {} test images, one "
        "seed;\n  {} are right in the dense twin only, {} in the pruned network only)\n",
        percent(done.sparsity.value_or(NAN)), 100 * *done.price_of_sparsity, 100 * done.price_error.value_or(NAN),
        format_count(done.test_images), format_count(done.only_twin_right.value_or(0)),
        format_count(done.only_pruned_right.value_or(0)));
  if (dense_epochs == epochs) return "";
  return fmt::format(
      "  the first line is of {} epochs and the last of {}: their difference is not what sparsity costs\n"
      "  (\"baseline\": \"equal_budget\" measures that)\n",
      dense_epochs, epochs);
}

std::string history(const std::vector<MetricsRow>& rows) {
  Table table({"", "epochs", "sparsity", "test accuracy", "predicted", "measured", "held out"});
  std::int64_t epochs = 0, dense_epochs = 0;
  bool pruning = false;
  std::string besides;
  for (const MetricsRow& row : rows) {
    if (const auto epoch = read_row<EpochRow>(row)) epochs = epoch->epoch;
    if (const auto step = read_row<PruneRow>(row)) {
      const std::string at = std::to_string(step->epoch);
      if (!pruning) {
        dense_epochs = step->epoch;
        table.add({"dense, before the first step", at, percent(step->sparsity_before),
                   percent(step->test_accuracy_before)});
        table.rule();
      }
      pruning = true;
      table.add({"after pruning", at, percent(step->sparsity), percent(step->test_accuracy),
                 signed_change(step->predicted_loss_change.value_or(NAN)),
                 signed_change(step->measured_loss_change),
                 signed_change(step->held_out_loss_change.value_or(NAN))});
    }
    if (const auto done = read_row<DoneRow>(row)) {
      if (pruning) table.rule();
      table.add({pruning ? "after fine-tuning" : "trained", std::to_string(epochs),
                 percent(done->sparsity.value_or(NAN)), percent(done->test_accuracy)});
      if (done->best_epoch)
        table.add({pruning ? "best epoch at that sparsity" : "best epoch", std::to_string(*done->best_epoch), "",
                   percent(done->best_test_accuracy.value_or(NAN))});
      if (done->twin_test_accuracy)
        table.add({"dense twin, not pruned", std::to_string(done->twin_epochs.value_or(0)), "",
                   percent(*done->twin_test_accuracy)});
      if (pruning) besides += price(*done, dense_epochs, epochs);
      if (done->epochs_trained)
        besides += fmt::format("  ended after {} epochs: train.patience\n", *done->epochs_trained);
      if (const std::int64_t zeros = done->unmasked_zeros.value_or(0); zeros > 0)
        besides += fmt::format("  besides, {} weights are zero but not pruned: no mask keeps them so\n",
                              format_count(zeros));
    }
  }
  const char* changes =
      "  (change of the loss: as the quadratic model predicts it and as measured on the examples of the Fisher, and\n"
      "  on training examples that the Fisher has not seen)\n";
  return table.str("  ") + (pruning ? changes : "") + besides;
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
  if (done && done->sparsity && !done->sparsities.empty() &&
      done->sparsities.size() == done->layer_weights.size())
    result += "\n" + layers(*done);
  const auto line = [&](const char* what, const std::filesystem::path& path) {
    std::error_code unknown;
    if (std::filesystem::exists(path, unknown)) result += fmt::format("  {:<12} {}\n", what, path.string());
  };
  result += "\n";
  line("checkpoint", folder.checkpoint());
  if (done && done->best_epoch) line("best", folder.best());
  // dense.safetensors may be of an earlier run in the folder
  if (!rows_of<PruneRow>(metrics.rows()).empty()) line("dense", folder.path() / "dense.safetensors");
  line("metrics", folder.metrics_csv());
  line("config", folder.config());
  return result + pictures;
}

}  // namespace espalier
