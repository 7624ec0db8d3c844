// document.cpp: JsonDocument: a config with those that it extends, and overrides of the command line.
#include "framework/config/document.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/io/json_text.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int deepest_override = 200;  // parts of an override's path, as deep as a text may go
constexpr std::size_t most_bases = 16;

std::string joined(const std::string& parent, const std::string& key) {
  return parent.empty() ? key : parent + "." + key;
}

/// The name of a variant: {"type": NAME, ..} or NAME alone.
Json type_of(const Json& value) {
  if (value.is_string()) return value;
  return value.is_object() && value.contains("type") ? value["type"] : Json();
}

/// Whether `own` says something of the same thing as `base`, and not another thing instead.
bool refines(const Json& own, const Json& base) {
  if (!own.is_object() || !(base.is_object() || base.is_string())) return false;
  return !own.contains("type") || type_of(own) == type_of(base);
}

/// Gives `own` what only `base` has, and notes where it comes from.
void extend(Json& own, const Json& base, const std::string& path, const JsonDocument::Impl& from,
            const std::string& file, std::map<std::string, std::string>& origins) {
  if (base.is_string()) {  // a variant's name alone
    if (!own.contains("type")) {
      own["type"] = base;
      origins[joined(path, "type")] = from.origin_of(path, file);
    }
    return;
  }
  for (const auto& [key, value] : base.items()) {
    const std::string at = joined(path, key);
    if (!own.contains(key)) {
      own[key] = value;
      origins[at] = file;
      for (const auto& [part, origin] : from.origins)
        if (part == at || part.starts_with(at + ".")) origins[part] = origin;
    } else if (refines(own[key], value)) {
      extend(own[key], value, at, from, file, origins);
    }
  }
}

/// A file with all that it extends; `chain`: the files on the way to it.
JsonDocument::Impl load_extended(const fs::path& path, std::vector<fs::path> chain) {
  JsonDocument::Impl impl{.root = std::make_shared<Json>(read_json(path, ExitCode::config)), .origins = {}, .is_file = true};
  Json& own = impl.json();
  if (!own.is_object() || !own.contains("extends")) return impl;
  const Json base = own["extends"];
  if (!base.is_string() || base.get<std::string>().empty())
    fail(ExitCode::config, "{}: extends is {}; it must be the path of a config, relative to this file",
         path.string(), shown(base));
  own.erase("extends");
  const fs::path from = (path.parent_path() / base.get<std::string>()).lexically_normal();
  std::error_code unknown;
  chain.push_back(path);
  for (const fs::path& earlier : chain)
    if (fs::equivalent(earlier, from, unknown))
      fail(ExitCode::config, "{}: extends \"{}\", which leads back to {}: files can't extend each other in a circle",
           path.string(), base.get<std::string>(), earlier.string());
  if (chain.size() > most_bases)
    fail(ExitCode::config, "{}: more than {} files extend each other", path.string(), most_bases);
  if (!fs::exists(from, unknown))
    fail(ExitCode::config, "{}: extends \"{}\", and there is no {}; the path is relative to this file", path.string(),
         base.get<std::string>(), from.string());
  const JsonDocument::Impl below = load_extended(from, chain);
  if (!below.json().is_object())
    fail(ExitCode::config, "{}: holds {}; it must be a JSON object {{...}}", from.string(), below.json().type_name());
  extend(own, below.json(), "", below, from.string(), impl.origins);
  return impl;
}

}  // namespace

const std::string& JsonDocument::Impl::origin_of(const std::string& path, const std::string& own) const {
  for (std::string at = path; !origins.empty();) {
    if (const auto found = origins.find(at); found != origins.end())
      return found->second.empty() ? own : found->second;
    const auto dot = at.rfind('.');
    if (dot == std::string::npos) break;
    at.resize(dot);
  }
  return own;
}

std::string JsonDocument::Impl::located(const std::string& at, const std::string& path,
                                        const JsonDocument& document) const {
  const auto given = origins.find(at);
  const bool by_command = given != origins.end() && given->second.empty();
  if (!is_file || path.empty() || by_command || fs::path(path).is_absolute()) return path;
  const fs::path beside = fs::path(origin_of(at, document.name())).parent_path() / path;
  std::error_code unknown;
  return fs::exists(beside, unknown) ? beside.lexically_normal().string() : path;
}

JsonDocument::JsonDocument(std::string name, std::unique_ptr<Impl> impl)
    : name_(std::move(name)), impl_(std::move(impl)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonDocument JsonDocument::of(Impl impl, const std::string& name, ExitCode code) {
  if (!impl.json().is_object())
    fail(code, "{}: holds {}; it must be a JSON object {{...}}", name, impl.json().type_name());
  return {name, std::make_unique<Impl>(std::move(impl))};
}

JsonDocument JsonDocument::parse(const std::string& text, const std::string& name, ExitCode code) {
  return of({.root = std::make_shared<Json>(parse_json(text, name, code))}, name, code);
}

JsonDocument JsonDocument::load(const std::filesystem::path& path) {
  return of(load_extended(path, {}), path.string(), ExitCode::config);
}

bool JsonDocument::has(const std::string& path) const {
  const Json* at = &impl_->json();
  std::istringstream parts(path);
  for (std::string key; std::getline(parts, key, '.');) {
    if (!at->is_object() || !at->contains(key)) return false;
    at = &(*at)[key];
  }
  return true;
}

void JsonDocument::apply_override(const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(ExitCode::usage, "--set {}: write it as json.path=value, for example --set train.epochs=3",
         assignment);
  if (!is_utf8(assignment))
    fail(ExitCode::usage, "--set {}: is not valid UTF-8, which JSON needs", printable(assignment));
  const std::string text = assignment.substr(equals + 1);
  Json value;
  if (const auto problem = json_problem(text); !problem)
    value = Json::parse(text, nullptr, true, true);
  else if (problem->syntax)
    value = text;  // no JSON: a string
  else
    fail(ExitCode::usage, "--set {}: {}", assignment.substr(0, equals), problem->text);
  if (assignment[equals - 1] == '.')
    fail(ExitCode::usage, "--set {}: the path has an empty part", assignment);
  Json* at = &impl_->json();
  std::istringstream path(assignment.substr(0, equals));
  int parts = 0;
  for (std::string key; std::getline(path, key, '.');) {
    if (++parts > deepest_override)
      fail(ExitCode::usage, "--set: a path of more than {} parts", deepest_override);
    if (key.empty()) fail(ExitCode::usage, "--set {}: the path has an empty part", assignment);
    if (at->is_array()) {
      const bool number = std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!number || key.size() > 9 || std::stoul(key) >= at->size())
        fail(ExitCode::usage, "--set {}: \"{}\" is no index of a list of {} elements", assignment, key,
             at->size());
      at = &(*at)[std::stoul(key)];
      continue;
    }
    if (at->is_string() || at->is_null()) {  // "model": "cifarnet" is short for {"type": "cifarnet"}
      const Json before = *at;
      *at = Json::object();
      if (before.is_string()) (*at)["type"] = before;
    }
    if (!at->is_object())
      fail(ExitCode::usage, "--set {}: there is no object to hold \"{}\" (found {})", assignment, key,
           shown(*at));
    at = &(*at)[key];
  }
  *at = std::move(value);
  impl_->origins[assignment.substr(0, equals)] = "";
}

std::string JsonDocument::dump() const { return impl_->json().dump(2); }

}  // namespace espalier
