// columns.h: kinds of rows of metrics, each declared once as a struct whose columns() names its members. From
// that one list rows are written and read, and the table for people, the JSON Schema and the report's page are
// made. A kind is a struct like
//
//   struct EpochRow {
//     static constexpr std::string_view event = "epoch", about = "After each epoch.";
//     double train_loss = 0;
//     std::vector<Column> columns() { return {{"train_loss", &train_loss, "nats", "mean over the epoch"}}; }
//   };
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "framework/io/metrics.h"

namespace espalier {

/// Columns of one quantity with a name each, such as "sparsity.conv1", in the order in which they are written.
template <class Value>
using Named = std::vector<std::pair<std::string, Value>>;

/// One column of a kind of row; or, where it points to Named values, any number of them: `name` is then what
/// all their names begin with, and `rest` says what follows ("LAYER").
struct Column {
  /// A column that points to an optional may be missing from a row.
  using Target = std::variant<double*, std::int64_t*, std::string*, bool*, std::optional<double>*,
                              std::optional<std::int64_t>*, std::optional<std::string>*, std::optional<bool>*,
                              Named<double>*, Named<std::int64_t>*>;
  std::string name;
  Target target;
  std::string unit;   ///< "nats", "s", ...; "": a plain number, a text or a truth
  std::string about;  ///< a sentence
  std::string rest = {};

  bool many() const { return !rest.empty(); }
  bool optional() const { return target.index() >= 4 && !many(); }
  /// Of its values: "number" (null in JSON where it is not finite), "integer", "string" or "boolean".
  std::string_view type() const;
  /// "sparsity.LAYER"
  std::string shown() const { return name + rest; }
};

/// A kind of row without its values.
struct RowKind {
  std::string event, about;  ///< event "": rows without one, told by their columns
  std::vector<Column> columns;
  /// The column that a row's member `name` belongs to; null: none.
  const Column* find(std::string_view name) const;
};

/// Appends the values of the columns that have one.
void append_columns(MetricsRow& row, const std::vector<Column>& columns);
/// Sets the targets of all columns that the row has; a number that it has as null becomes NaN.
void read_columns(const MetricsRow& row, const std::vector<Column>& columns);

/// Not of values: the targets of its columns are gone.
template <class Row>
RowKind kind_of() {
  return {std::string(Row::event), std::string(Row::about), Row().columns()};
}

template <class Row>
MetricsRow to_row(Row values) {
  MetricsRow row;
  if (!Row::event.empty()) row.emplace_back("event", std::string(Row::event));
  append_columns(row, values.columns());
  return row;
}

/// Nothing if the row is of another kind. Numbers that the row has not are NaN or what the struct begins with.
template <class Row>
std::optional<Row> read_row(const MetricsRow& row) {
  if (text(row, "event") != Row::event) return std::nullopt;
  Row values;
  read_columns(row, values.columns());
  return values;
}

/// All rows of one kind, in their order.
template <class Row>
std::vector<Row> rows_of(const std::vector<MetricsRow>& rows) {
  std::vector<Row> found;
  for (const MetricsRow& row : rows)
    if (std::optional<Row> values = read_row<Row>(row)) found.push_back(std::move(*values));
  return found;
}

}  // namespace espalier
