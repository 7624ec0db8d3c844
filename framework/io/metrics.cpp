#include "framework/io/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/event_file.h"
#include "framework/io/json_text.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

/// Numbers in the shortest form that reads back to the same bits; null for those that are not finite.
Json as_json(const MetricValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Quoted as in RFC 4180 where needed.
std::string csv_text(const std::string& s) {
  if (s.find_first_of(",\"\r\n") == std::string::npos) return s;
  std::string quoted = "\"";
  for (const char c : s) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string csv_cell(const MetricValue& value) {
  if (const auto* v = std::get_if<std::string>(&value)) return csv_text(*v);
  const Json json = as_json(value);
  return json.is_number_float() && !std::isfinite(json.get<double>()) ? "" : dumped(json);
}

std::string json_line(const MetricsRow& row) {
  Json json = Json::object();
  for (const auto& [name, value] : row) json[name] = as_json(value);
  return dumped(json) + "\n";
}

std::string csv_line(const MetricsRow& row, const std::vector<std::string>& columns) {
  std::string line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const MetricValue* value = find(row, columns[i]);
    if (i > 0) line += ',';
    if (value) line += csv_cell(*value);
  }
  line += '\n';
  return line;
}

/// A row is flat; the columns of a large network's layers are some thousands.
constexpr JsonLimits row_limits{.deepest = 2, .members = 100'000, .comments = false};

/// False if the line is no row of ours.
bool parse_row(std::string_view line, MetricsRow& row) {
  if (json_problem(line, row_limits)) return false;
  const Json json = Json::parse(line);
  if (!json.is_object()) return false;
  for (const auto& item : json.items()) {
    const Json& v = item.value();
    if (v.is_boolean())
      row.emplace_back(item.key(), v.get<bool>());
    else if (v.is_number_integer())
      row.emplace_back(item.key(), v.get<std::int64_t>());
    else if (v.is_number())
      row.emplace_back(item.key(), v.get<double>());
    else if (v.is_string())
      row.emplace_back(item.key(), v.get<std::string>());
    else if (v.is_null())
      row.emplace_back(item.key(), std::numeric_limits<double>::quiet_NaN());
    else
      return false;
  }
  return true;
}

/// Appends `text` whole or not at all.
void append_to(const std::filesystem::path& path, std::string_view text) {
  FileHandle file(path, O_WRONLY | O_APPEND | O_CREAT, ExitCode::io);
  const std::uint64_t before = file.size();
  try {
    file.write(text);
    file.sync();
  } catch (const Error&) {
    [[maybe_unused]] const int ignored = ::ftruncate(file.descriptor(), static_cast<off_t>(before));
    throw;
  }
}

}  // namespace

const MetricValue* find(const MetricsRow& row, std::string_view name) {
  const auto found =
      std::find_if(row.begin(), row.end(), [&](const auto& field) { return field.first == name; });
  return found == row.end() ? nullptr : &found->second;
}

double number(const MetricsRow& row, std::string_view name) {
  const MetricValue* value = find(row, name);
  if (value && std::holds_alternative<double>(*value)) return std::get<double>(*value);
  if (value && std::holds_alternative<std::int64_t>(*value))
    return static_cast<double>(std::get<std::int64_t>(*value));
  if (value && std::holds_alternative<bool>(*value)) return std::get<bool>(*value) ? 1 : 0;
  return std::numeric_limits<double>::quiet_NaN();
}

std::string text(const MetricsRow& row, std::string_view name) {
  const MetricValue* value = find(row, name);
  return value && std::holds_alternative<std::string>(*value) ? std::get<std::string>(*value) : "";
}

std::vector<MetricsRow> read_metrics(const std::filesystem::path& jsonl) {
  std::vector<MetricsRow> rows;
  std::error_code unknown;
  if (!std::filesystem::exists(jsonl, unknown)) return rows;
  const std::string contents = read_whole_file(jsonl);
  for (std::size_t begin = 0; begin < contents.size();) {
    const std::size_t end = contents.find('\n', begin);
    if (end == std::string::npos) break;  // torn: the process was killed while it wrote
    MetricsRow row;
    if (!parse_row(std::string_view(contents).substr(begin, end - begin), row)) {
      // A crash of the whole machine can leave a last block of zeros.
      if (end + 1 == contents.size()) break;
      fail(ExitCode::checkpoint,
           "{}:{}: is no row of metrics (a JSON object of numbers, strings and booleans); remove the line",
           jsonl.string(), rows.size() + 1);
    }
    rows.push_back(std::move(row));
    begin = end + 1;
  }
  return rows;
}

MetricsLog::MetricsLog(std::filesystem::path folder, std::size_t keep, bool events)
    : folder_(std::move(folder)), events_(events) {
  if (keep > 0) rows_ = read_metrics(jsonl());
  truncate(keep == keep_all ? rows_.size() : keep);
}

void MetricsLog::truncate(std::size_t keep) {
  if (keep > rows_.size())
    fail(ExitCode::checkpoint,
         "{}: has {} rows, the state of the run was saved after {}; restore the file, or start the run anew",
         jsonl().string(), rows_.size(), keep);
  rows_.resize(keep);
  columns_.clear();
  std::string lines;
  for (const MetricsRow& row : rows_) {
    lines += json_line(row);
    add_columns(row);
  }
  write_file_atomically(jsonl(), lines);
  write_file_atomically(csv(), csv_table());
  if (events_) write_events();
}

namespace {

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

void MetricsLog::write_events() const {
  const double now = wall_time();
  std::string file = event_file_head(now);
  for (std::size_t i = 0; i < rows_.size(); ++i)
    file += event_record(rows_[i], event_step(rows_[i], static_cast<std::int64_t>(i)), now);
  write_file_atomically(folder_ / event_file_name, file);
}

bool MetricsLog::add_columns(const MetricsRow& row) {
  const std::size_t before = columns_.size();
  for (const auto& field : row)
    if (std::find(columns_.begin(), columns_.end(), field.first) == columns_.end())
      columns_.push_back(field.first);
  return columns_.size() > before;
}

std::string MetricsLog::csv_table() const {
  std::string table;
  for (const std::string& column : columns_)
    table += fmt::format("{}{}", table.empty() ? "" : ",", csv_text(column));
  if (!columns_.empty()) table += '\n';
  for (const MetricsRow& row : rows_) table += csv_line(row, columns_);
  return table;
}

void MetricsLog::append(const MetricsRow& row) {
  append_to(jsonl(), json_line(row));
  rows_.push_back(row);
  if (add_columns(row))
    write_file_atomically(csv(), csv_table());
  else
    append_to(csv(), csv_line(row, columns_));
  if (events_)
    append_to(folder_ / event_file_name,
              event_record(row, event_step(row, static_cast<std::int64_t>(rows_.size()) - 1), wall_time()));
}

}  // namespace espalier
