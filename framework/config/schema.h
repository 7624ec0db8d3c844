// schema.h: the config format described for editors (JSON Schema, draft 7) and for people (Markdown), both
// from the same field lists that the reader uses.
#pragma once

#include <functional>
#include <string>

#include "framework/config/fields.h"

namespace espalier {

std::string schema_of(const std::function<void(Fields&)>& fn, const std::string& title);
std::string markdown_of(const std::function<void(Fields&)>& fn);

template <class Settings>
std::string json_schema(Settings& settings, const std::string& title) {
  return schema_of([&](Fields& f) { settings.fields(f); }, title);
}
/// One table row per setting: path, type, default, range, help.
template <class Settings>
std::string fields_markdown(Settings& settings) {
  return markdown_of([&](Fields& f) { settings.fields(f); });
}

}  // namespace espalier
