// writer.h: the resolved config: every setting at the value that is in force,
// as JSON that reads back to the same.
#pragma once

#include <functional>
#include <string>

#include "framework/config/fields.h"

namespace espalier {

/// JSON without line breaks and blanks between its parts.
std::string one_line(const std::string& json);

std::string write_fields(const std::function<void(Fields&)>& fn);

template <class Settings>
std::string resolved_json(Settings& settings) {
  return write_fields([&](Fields& f) { settings.fields(f); });
}

}  // namespace espalier
