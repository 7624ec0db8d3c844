// json_text.h: the one way in for JSON of any origin (configs, metrics, problems, index lists, headers of
// checkpoints). A text is looked at as a whole before anything is built from it: depth (readers recurse), size,
// keys given twice (the library would keep one without a word), numbers that no double holds. Messages are
// ours, with the place.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "framework/core/check.h"

namespace espalier {

struct JsonLimits {
  int deepest = 200;                             ///< lists and objects within each other
  std::size_t largest = std::size_t{256} << 20;  ///< bytes of the text
  std::size_t members = 20'000;                  ///< of one object; they are looked up one after the other
  bool comments = true;                          ///< "//" and "/* */" are passed over
};

/// What is wrong with a text, as the rest of a sentence that begins with the file's name ("not valid JSON at
/// line 3, column 7: ...").
struct JsonProblem {
  std::string text;
  bool syntax = false;  ///< it is no JSON at all; else JSON that is refused (depth, size, keys, numbers)
};
/// Nothing if `text` can be read.
std::optional<JsonProblem> json_problem(std::string_view text, const JsonLimits& limits = {});

/// The value. Throws Error(code) "name: what is wrong". `name` stands for the file.
nlohmann::ordered_json parse_json(std::string_view text, const std::string& name, ExitCode code,
                                  const JsonLimits& limits = {});
/// The same for a file, which may be a pipe.
nlohmann::ordered_json read_json(const std::filesystem::path& path, ExitCode code,
                                 const JsonLimits& limits = {});

/// A value as it stands in the text, cut to a readable length; for messages.
std::string shown(const nlohmann::ordered_json& value);

bool is_utf8(std::string_view bytes);

/// Bytes from anywhere, safe to print and cut to `most` columns: control characters and what is no UTF-8 become
/// \xNN.
std::string printable(std::string_view bytes, std::size_t most = 80);

}  // namespace espalier
