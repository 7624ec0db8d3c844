// document.h: what is behind a JsonDocument: the merged JSON of a config and of those that it extends, and which file each
// part of it comes from, for messages and for paths that are relative to it. Of reader.cpp and document.cpp alone.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "framework/config/reader.h"

namespace espalier {

struct JsonDocument::Impl {
  std::shared_ptr<nlohmann::ordered_json> root;
  std::map<std::string, std::string> origins = {};  ///< JSON path -> file, where that is not the document itself
  bool is_file = false;                             ///< the document's name is one

  nlohmann::ordered_json& json() const { return *root; }
  /// The file that the value at `path` comes from; `own` where no base has it. "" : the command line.
  const std::string& origin_of(const std::string& path, const std::string& own) const;
  /// A path of the value at `at`, as it can be opened: beside its file if something lies there, else as it is.
  std::string located(const std::string& at, const std::string& path, const JsonDocument& document) const;
};

}  // namespace espalier
