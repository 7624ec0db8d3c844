// report_files.h: the files of a run folder as a report meets them: any may be missing, cut off, too large or
// no JSON. What is wrong becomes a sentence for the reader of the page; what can be read is kept.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

class FolderReader {
 public:
  explicit FolderReader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }
  bool has(const std::string& file) const;
  /// Its path if it is there, else empty.
  std::filesystem::path path_of(const std::string& file) const;

  /// A file that is one JSON object; null if it is missing or damaged.
  nlohmann::ordered_json object(const std::string& file);
  /// The lines of a file that are JSON objects, of plain values only where `flat`. Of more than `most` rows
  /// of one "event", `most` evenly spaced ones are kept, with the first and the last.
  nlohmann::ordered_json rows(const std::string& file, bool flat, std::size_t most);
  /// {"name", "bytes"} of the files in the folder itself;
  /// checkpoints also have "deflated", their size after zlib.
  nlohmann::ordered_json listing() const;

  template <class... Args>
  void notice(fmt::format_string<Args...> message, Args&&... args) {
    notices.push_back(fmt::format(message, std::forward<Args>(args)...));
  }
  std::vector<std::string> notices;

 private:
  std::optional<std::string> text(const std::string& file);
  std::filesystem::path folder_;
};

}  // namespace espalier
