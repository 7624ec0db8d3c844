// layer_names.h: layers by name pattern.
#pragma once

#include <string>
#include <vector>

namespace espalier {

/// Numbers of the names that match any pattern of `include` (empty: all) and none of `exclude`; patterns are
/// those of the shell: * stands for any characters, ? for one, [ab] for a or b. A pattern that matches
/// nothing is Error(config) with "did you mean".
std::vector<std::size_t> match_names(const std::vector<std::string>& names,
                                     const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude);

}  // namespace espalier
