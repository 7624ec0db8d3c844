#include "tools/experiments/vary.h"

#include <nlohmann/json.hpp>

namespace espalier {

using Json = nlohmann::ordered_json;

void patch(Json& into, const Json& with) {
  if (!with.is_object() || !into.is_object() ||
      (with.contains("type") && into.contains("type") && with["type"] != into["type"])) {
    into = with;
    return;
  }
  for (const auto& [key, value] : with.items()) patch(into[key], value);
}

void set_at(Json& json, const std::string& path, const Json& value) {
  const auto dot = path.find('.');
  Json& inner = json[path.substr(0, dot)];
  if (inner.is_string() && dot != std::string::npos) inner = Json{{"type", inner}};
  if (dot == std::string::npos)
    inner = value;
  else
    set_at(inner, path.substr(dot + 1), value);
}

}  // namespace espalier
