#include "tools/verbs/seeds.h"

#include <cmath>
#include <set>

#include "framework/io/table.h"
#include "tools/run/rows.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

/// "91.23 ± 0.15 %" of shares; without a deviation for one seed.
std::string mean_and_deviation(const std::vector<double>& shares, const char* unit) {
  if (shares.empty()) return "-";
  double mean = 0, squares = 0;
  for (const double v : shares) mean += v / static_cast<double>(shares.size());
  for (const double v : shares) squares += (v - mean) * (v - mean);
  if (shares.size() == 1) return fmt::format("{:.2f} {}", 100 * mean, unit);
  return fmt::format("{:.2f} ± {:.2f} {}", 100 * mean,
                     100 * std::sqrt(squares / static_cast<double>(shares.size() - 1)), unit);
}

std::string seeds_table(const CommandOptions& options, const fs::path& base) {
  Table table({"seed", "sparsity", "test accuracy", "dense twin", "price of sparsity"});
  std::vector<double> accuracy, twin, price;
  const auto shown = [](const std::optional<double>& v) { return v ? fmt::format("{:.2f} %", 100 * *v) : std::string("-"); };
  for (const std::uint64_t seed : options.seeds) {
    const std::vector<DoneRow> done =
        rows_of<DoneRow>(read_metrics(base / fmt::format("seed-{}", seed) / "metrics.jsonl"));
    if (done.empty()) continue;
    const DoneRow& row = done.back();
    accuracy.push_back(row.test_accuracy);
    if (row.twin_test_accuracy) twin.push_back(*row.twin_test_accuracy);
    if (row.price_of_sparsity) price.push_back(*row.price_of_sparsity);
    table.add({std::to_string(seed), shown(row.sparsity), shown(row.test_accuracy), shown(row.twin_test_accuracy),
               row.price_of_sparsity ? fmt::format("{:+.2f} points", 100 * *row.price_of_sparsity) : "-"});
  }
  table.rule();
  table.add({"mean ± deviation", "", mean_and_deviation(accuracy, "%"), mean_and_deviation(twin, "%"),
             mean_and_deviation(price, "points")});
  return table.str("  ");
}

}  // namespace

void run_seeds(const CommandOptions& options, void (*verb)(const CommandOptions&)) {
  if (std::set<std::uint64_t>(options.seeds.begin(), options.seeds.end()).size() != options.seeds.size())
    fail(ExitCode::usage, "--seeds {}: a seed stands there twice; each is one run", fmt::join(options.seeds, ","));
  CommandOptions quiet = options;
  quiet.quiet = true;
  RunConfig config = read_run_config(quiet);
  const fs::path base = run_directory(config);
  for (const std::uint64_t seed : options.seeds) {
    CommandOptions one = options;
    one.seeds.clear();
    one.overrides.push_back(fmt::format("seed={}", seed));
    one.output = (base / fmt::format("seed-{}", seed)).string();
    say(options, fmt::format("seed {}: in {}", seed, one.output));
    verb(one);
  }
  if (options.dry_run) return;
  fmt::print("\n{} seeds\n\n{}", options.seeds.size(), seeds_table(options, base));
}

}  // namespace espalier
