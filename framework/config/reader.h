// reader.h: strict reading of JSON configs. Every problem is an Error(config) that names the file, the JSON
// path, the value, the rule, and the likely intention.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "framework/config/fields.h"

namespace espalier {

/// A JSON text and where it came from.
class JsonDocument {
 public:
  /// Reads a file, as strictly as io/json_text.h does. `//` comments are allowed. "extends": "base.json" names a file
  /// (relative to this one) that has what this one does not say; it may extend another. Objects are merged key by key,
  /// except those whose "type" is another, which replace the base's whole; so does everything that is no object.
  static JsonDocument load(const std::filesystem::path& path);
  /// `name` stands for the file in messages.
  static JsonDocument parse(const std::string& text, const std::string& name,
                            ExitCode code = ExitCode::config);
  JsonDocument(JsonDocument&&) noexcept;
  ~JsonDocument();

  /// `path.to.key=value`, list elements by index. The value is JSON if it parses as JSON, else a string.
  /// Objects on the way are made where absent.
  void apply_override(const std::string& assignment);
  /// Whether there is a value at `path.to.key`, null included.
  bool has(const std::string& path) const;
  std::string dump() const;
  const std::string& name() const { return name_; }

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  JsonDocument(std::string name, std::unique_ptr<Impl> impl);
  static JsonDocument of(Impl impl, const std::string& name, ExitCode code);
  std::string name_;
  std::unique_ptr<Impl> impl_;
};

/// Calls fn(fields) with a reader over the whole document. Up to 10 problems are reported together, as one
/// Error(code).
void read_fields(const JsonDocument& document, const std::function<void(Fields&)>& fn,
                 ExitCode code = ExitCode::config);

/// Reads `settings`, which has a member void fields(Fields&).
template <class Settings>
void read_config(const JsonDocument& document, Settings& settings) {
  read_fields(document, [&](Fields& f) { settings.fields(f); });
}

}  // namespace espalier
