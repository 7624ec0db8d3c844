// pattern.h: names by pattern, as the shell has them: * stands for any characters, dots too, ? for one, [ab] for a or b.
#pragma once

#include <string>
#include <vector>

namespace espalier {

bool matches_pattern(const std::string& name, const std::string& pattern);
bool matches_any(const std::string& name, const std::vector<std::string>& patterns);

}  // namespace espalier
