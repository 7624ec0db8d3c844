#include "framework/io/json_text.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "framework/io/file_kind.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

/// An iterator that says how far it has been read: the library tells its position only on syntax errors.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  Cursor(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  const char& operator*() const { return *at_; }
  Cursor& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// "line 3, column 7: \"flag\" true", the line cut around the place.
std::string place(std::string_view text, std::size_t at) {
  at = std::min(at, text.size());
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  const std::size_t newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  const std::size_t end = std::min(text.find('\n', at), text.size()), column = at - begin + 1;
  constexpr std::size_t before = 40;
  const bool cut = at - begin > before;
  if (cut) begin = at - before;
  return fmt::format("line {}, column {}: {}{}", line, column, cut ? "..." : "",
                     printable(text.substr(begin, end - begin)));
}

/// What most likely happened where the grammar was left.
std::string likely(std::string_view text, std::size_t at) {
  std::size_t last = std::min(at, text.size());
  while (last > 0 && is_space(text[last - 1])) --last;
  const char before = last > 0 ? text[last - 1] : '\0', here = at < text.size() ? text[at] : '\0';
  const std::string_view rest = text.substr(std::min(at, text.size()));
  if (last == 0 && at >= text.size()) return "there is nothing in it";
  if (text.find_first_not_of(" \t\r\n", at) == std::string_view::npos)
    return "the text ends in the middle: a bracket or quote is not closed";
  if (before == ',' && (here == '}' || here == ']')) return "a comma before a closing bracket; remove it";
  if (here == '\'') return "strings stand in double quotes";
  if (rest.starts_with("NaN") || rest.starts_with("nan") || rest.starts_with("Inf") ||
      rest.starts_with("inf") || rest.starts_with("-Inf") || rest.starts_with("-inf"))
    return "JSON has no numbers NaN and Infinity";
  if (static_cast<unsigned char>(here) < 0x20 && here != '\n' && here != '\r' && here != '\t')
    return "a control character";
  if ((before == '"' || before == '}' || before == ']' || (before >= '0' && before <= '9')) &&
      (here == '"' || here == '{' || here == '[' || is_letter(here)))
    return "a comma or colon is missing before this";
  if (is_letter(here))
    return "a word that is none of true, false and null; strings and names stand in double quotes";
  return "this does not belong here";
}

/// Follows the parser through a text without building anything.
class Watch final : public nlohmann::json_sax<Json> {
 public:
  Watch(std::string_view text, const JsonLimits& limits, const char*& furthest)
      : text_(text), limits_(limits), furthest_(furthest) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    open_.emplace_back();
    return enter();
  }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override {
    open_.pop_back();
    return --depth_, true;
  }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    if (!open_.back().insert(name).second)
      return refuse(fmt::format("the key \"{}\" is given twice in one object; remove one", printable(name)));
    if (open_.back().size() > limits_.members)
      return refuse(fmt::format("an object of more than {} members", limits_.members));
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token, const Json::exception& e) override {
    // Errors of range are told apart from those of syntax by their number in the library's documentation.
    if (e.id == 406) {
      const std::string number = printable(token, 40);
      problem = fmt::format("{}: the number {} is too large; the largest is 1.8e308", where(), number);
      return false;
    }
    syntax = true;
    const std::size_t at = offender(position);
    problem = fmt::format("not valid JSON at {}\n  {}", place(text_, at), likely(text_, at));
    return false;
  }
  std::string problem;
  bool syntax = false;

 private:
  /// Where the token begins that ends at `position`, which is one beyond the text where that ends too early.
  std::size_t offender(std::size_t position) const {
    if (position > text_.size() || position == 0) return std::min(position, text_.size());
    std::size_t at = position - 1;
    if (text_[at] == '"') {  // a whole string that should not be here: its beginning
      for (std::size_t open = at; open-- > 0;)
        if (text_[open] == '"' && (open == 0 || text_[open - 1] != '\\')) return open;
    }
    while (at > 0 && is_letter(text_[at]) && is_letter(text_[at - 1])) --at;
    return at;
  }
  bool enter() {
    if (++depth_ <= limits_.deepest) return true;
    return refuse(fmt::format("lists and objects lie more than {} deep in each other; nothing needs that",
                              limits_.deepest));
  }
  std::string where() const {
    const auto at = static_cast<std::size_t>(furthest_ - text_.data());
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at, text_.size())),
                       '\n');
    return fmt::format("line {}", line);
  }
  bool refuse(const std::string& why) {
    problem = fmt::format("{}: {}", where(), why);
    return false;
  }
  std::string_view text_;
  const JsonLimits& limits_;
  const char*& furthest_;
  int depth_ = 0;
  std::vector<std::set<std::string>> open_;
};

/// The number of bytes of the UTF-8 character at the beginning; 0: there is none.
std::size_t utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const std::size_t n = byte(0) < 0x80                      ? 1
                        : byte(0) >= 0xC2 && byte(0) < 0xE0 ? 2
                        : byte(0) >= 0xE0 && byte(0) < 0xF0 ? 3
                        : byte(0) >= 0xF0 && byte(0) < 0xF5 ? 4
                                                            : 0;
  if (n == 0 || n > s.size()) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  // Overlong forms, surrogates, and what lies beyond Unicode.
  if (n == 3 && ((byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xED && byte(1) > 0x9F))) return 0;
  if (n == 4 && ((byte(0) == 0xF0 && byte(1) < 0x90) || (byte(0) == 0xF4 && byte(1) > 0x8F))) return 0;
  return n;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t n = utf8_length(bytes);
    if (n == 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

std::string printable(std::string_view bytes, std::size_t most) {
  std::string text;
  std::size_t columns = 0;
  while (!bytes.empty()) {
    if (columns >= most) return text + "...";
    const std::size_t n = utf8_length(bytes);
    const auto first = static_cast<unsigned char>(bytes[0]);
    // U+0080 to U+009F are controls too, which terminals obey.
    const bool control = (first < 0x20 && first != '\t') || first == 0x7F ||
                         (n == 2 && first == 0xC2 && static_cast<unsigned char>(bytes[1]) < 0xA0);
    if (n == 0 || control) {
      for (std::size_t i = 0; i < std::max<std::size_t>(n, 1); ++i)
        text += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[i]));
      columns += 4;
      bytes.remove_prefix(std::max<std::size_t>(n, 1));
    } else {
      text += bytes.substr(0, n);
      columns += 1;
      bytes.remove_prefix(n);
    }
  }
  return text;
}

std::string shown(const Json& value) {
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 60);
}

std::optional<JsonProblem> json_problem(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.largest)
    return JsonProblem{fmt::format("has {} bytes; at most {} are read", text.size(), limits.largest)};
  switch (const FileKind kind = kind_of_bytes(text.substr(0, file_kind_bytes))) {
    case FileKind::json:
    case FileKind::text:
    case FileKind::unknown:
      break;
    default:
      return JsonProblem{foreign_file(kind, "a JSON text").value_or("is no JSON text"), true};
  }
  const char* furthest = text.data();
  Watch watch(text, limits, furthest);
  const Cursor begin(text.data(), &furthest), end(text.data() + text.size(), &furthest);
  if (Json::sax_parse(begin, end, &watch, Json::input_format_t::json, true, limits.comments))
    return std::nullopt;
  return JsonProblem{watch.problem, watch.syntax};
}

Json parse_json(std::string_view text, const std::string& name, ExitCode code, const JsonLimits& limits) {
  if (const auto problem = json_problem(text, limits))
    fail(code, "{}: {}", printable(name, 4096), problem->text);
  return Json::parse(text, nullptr, true, limits.comments);
}

Json read_json(const std::filesystem::path& path, ExitCode code, const JsonLimits& limits) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown))
    fail(code, "{}: is a folder, not a JSON file", path.string());
  std::ifstream in(path, std::ios::binary);
  if (!in)
    fail(code, "{}: can't be read ({}); give the path of a JSON file", path.string(),
         std::filesystem::exists(path, unknown) ? "no permission" : "no such file");
  std::string text;
  constexpr std::size_t piece = 1 << 16;  // not by its size: it may be a pipe
  for (std::size_t had = 0; in && text.size() <= limits.largest; had = text.size()) {
    text.resize(had + piece);
    in.read(text.data() + had, piece);
    text.resize(had + static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) fail(code, "{}: reading failed", path.string());
  return parse_json(text, path.string(), code, limits);
}

}  // namespace espalier
