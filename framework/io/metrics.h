// metrics.h: what a run measured, row by row, in metrics.jsonl (one JSON object a line) and metrics.csv (one
// table). Each row has an "event" ("epoch", "prune", "done", ...) and the values that belong to it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace espalier {

/// Doubles that are not finite are stored as null (JSON) or empty (CSV), and read back as NaN.
using MetricValue = std::variant<double, std::int64_t, std::string, bool>;
/// Names and values, in the order in which they are written.
using MetricsRow = std::vector<std::pair<std::string, MetricValue>>;

/// Null if the row has no such value.
const MetricValue* find(const MetricsRow& row, std::string_view name);
/// A double, integer or bool as double; NaN if the row has no such number.
double number(const MetricsRow& row, std::string_view name);
/// A string; "" if the row has no such string.
std::string text(const MetricsRow& row, std::string_view name);

class MetricsLog {
 public:
  static constexpr std::size_t keep_all = std::numeric_limits<std::size_t>::max();

  /// Opens the log of the run in `folder`, which must exist, and keeps its first `keep` rows: 0 starts anew;
  /// a resumed run keeps the rows its state knows of. A last line torn by a kill is dropped. Throws
  /// Error(checkpoint) on any other line that is no row or if there are fewer rows than `keep`, Error(io) if
  /// it cannot write.
  /// `events`: also as a file that TensorBoard reads (event_file.h).
  explicit MetricsLog(std::filesystem::path folder, std::size_t keep = keep_all, bool events = false);

  /// Writes the row into both files and waits until it is on the disk. Numbers are in the shortest form that
  /// reads back to the same bits.
  void append(const MetricsRow& row);
  /// Drops all rows but the first `keep` from both files. Throws Error(checkpoint) if there are fewer.
  void truncate(std::size_t keep);

  const std::vector<MetricsRow>& rows() const { return rows_; }
  std::size_t size() const { return rows_.size(); }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path jsonl() const { return folder_ / "metrics.jsonl"; }
  std::filesystem::path csv() const { return folder_ / "metrics.csv"; }
  bool add_columns(const MetricsRow& row);
  std::string csv_table() const;
  void write_events() const;
  std::filesystem::path folder_;
  bool events_;
  std::vector<MetricsRow> rows_;
  std::vector<std::string> columns_;  // of the CSV: every name, in the order first seen
};

/// The rows of a metrics.jsonl, without changing it; see MetricsLog for what is tolerated. No file: no rows.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& jsonl);

}  // namespace espalier
