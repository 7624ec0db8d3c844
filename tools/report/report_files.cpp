#include "tools/report/report_files.h"

#include <zlib.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/json_text.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uintmax_t largest_text = 64 << 20;  // bytes of a text file that is read as a whole
// Bytes of a checkpoint that is compressed to know its size.
constexpr std::uintmax_t largest_checkpoint = 1 << 30;

/// Bytes that zlib's default level needs for the file; nothing if it is too large or unreadable.
std::optional<std::uintmax_t> deflated_size(const fs::path& path, std::uintmax_t bytes) {
  if (bytes > largest_checkpoint) return std::nullopt;
  try {
    const std::string contents = read_whole_file(path);
    uLongf size = ::compressBound(contents.size());
    std::vector<Bytef> out(size);
    if (::compress(out.data(), &size, reinterpret_cast<const Bytef*>(contents.data()), contents.size()) !=
        Z_OK)
      return std::nullopt;
    return size;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string event_of(const Json& row) {
  const auto event = row.find("event");
  return event != row.end() && event->is_string() ? event->get<std::string>() : "";
}

/// Whether row `at` of `count` is one of `most` evenly spaced ones: is it i (count - 1) / (most - 1), rounded
/// down, of any i?
bool is_kept(std::size_t at, std::size_t count, std::size_t most) {
  const std::size_t to_next = (count - 1 - at * (most - 1) % (count - 1)) % (count - 1);
  return to_next < most - 1;
}

bool is_flat(const Json& row) {
  return std::none_of(row.begin(), row.end(), [](const Json& v) { return v.is_structured(); });
}

}  // namespace

bool FolderReader::has(const std::string& file) const {
  std::error_code unknown;
  return fs::is_regular_file(folder_ / file, unknown);
}

fs::path FolderReader::path_of(const std::string& file) const {
  return has(file) ? folder_ / file : fs::path();
}

std::optional<std::string> FolderReader::text(const std::string& file) {
  if (!has(file)) return std::nullopt;
  std::error_code unknown;
  if (const auto size = fs::file_size(folder_ / file, unknown); size > largest_text) {
    notice("{} has {} bytes, more than a report reads ({}); it was left out.", file, size, largest_text);
    return std::nullopt;
  }
  try {
    return read_whole_file(folder_ / file);
  } catch (const Error& e) {
    notice("{} could not be read: {}", file, e.what());
    return std::nullopt;
  }
}

Json FolderReader::object(const std::string& file) {
  const std::optional<std::string> contents = text(file);
  if (!contents) return nullptr;
  if (const auto problem = json_problem(*contents)) {
    notice("{} is damaged: {}. What it says is missing here.", file, problem->text);
    return nullptr;
  }
  Json value = Json::parse(*contents, nullptr, true, true);
  if (value.is_object()) return value;
  notice("{} is damaged: it is no JSON object. What it says is missing here.", file);
  return nullptr;
}

Json FolderReader::rows(const std::string& file, bool flat, std::size_t most) {
  const std::optional<std::string> contents = text(file);
  if (!contents) return Json::array();
  std::vector<Json> rows;
  std::map<std::string, std::size_t> counts;
  std::size_t line = 0, bad = 0, first_bad = 0;
  for (std::size_t begin = 0; begin < contents->size(); ++line) {
    const std::size_t end = std::min(contents->find('\n', begin), contents->size());
    const std::string_view text = std::string_view(*contents).substr(begin, end - begin);
    Json row = json_problem(text, {.members = 100'000}) ? Json() : Json::parse(text);
    if (row.is_object() && (!flat || is_flat(row))) {
      ++counts[event_of(row)];
      rows.push_back(std::move(row));
    } else if (end > begin && bad++ == 0) {
      first_bad = line + 1;
    }
    begin = end + 1;
  }
  if (bad > 0)
    notice("{}: {} of {} lines could not be read as rows (the first is line {}); they were left out.", file,
           bad, line, first_bad);
  std::map<std::string, std::size_t> seen;
  Json kept = Json::array();
  for (Json& row : rows) {
    const std::string event = event_of(row);
    const std::size_t count = counts[event], at = seen[event]++;
    if (count <= most || is_kept(at, count, most)) kept.push_back(std::move(row));
  }
  for (const auto& [event, count] : counts)
    if (count > most)
      notice("{} has {} rows of \"{}\"; {} of them, evenly spaced, are shown.", file, count, event, most);
  return kept;
}

Json FolderReader::listing() const {
  std::map<std::string, std::uintmax_t> files;
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(folder_, unknown)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file(unknown) && !name.starts_with(".") && name != "report.html")
      files[name] = entry.file_size(unknown);
  }
  Json list = Json::array();
  for (const auto& [name, bytes] : files) {
    list.push_back({{"name", name}, {"bytes", bytes}});
    if (name == "checkpoint.safetensors" || name == "dense.safetensors")
      if (const auto size = deflated_size(folder_ / name, bytes)) list.back()["deflated"] = *size;
  }
  return list;
}

}  // namespace espalier
