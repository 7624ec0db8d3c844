// vary.h: configs made from others, for `sweep` and `reproduce`: one put into another key by key, and one setting
// named by its path.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace espalier {

/// Puts `with` into `into`, key by key. {"type": "a", ...} patched with {"type": "b"} becomes that: the settings of
/// "a" are none of b's.
void patch(nlohmann::ordered_json& into, const nlohmann::ordered_json& with);

/// Sets the value at "path.to.key". A text on the way is the type of an object: "cubic" becomes {"type": "cubic"}.
void set_at(nlohmann::ordered_json& json, const std::string& path, const nlohmann::ordered_json& value);

}  // namespace espalier
