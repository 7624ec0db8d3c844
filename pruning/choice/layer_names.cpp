#include "pruning/choice/layer_names.h"

#include <algorithm>

#include "framework/config/pattern.h"
#include "framework/config/suggest.h"
#include "framework/core/check.h"

namespace espalier {

std::vector<std::size_t> match_names(const std::vector<std::string>& names,
                                     const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude) {
  const auto check = [&](const char* key, const std::vector<std::string>& patterns) {
    for (const std::string& p : patterns)
      if (std::none_of(names.begin(), names.end(),
                       [&](const std::string& n) { return matches_pattern(n, p); }))
        fail(ExitCode::config, "prune.{}: \"{}\" matches no layer{} (the model has {})", key, p,
             did_you_mean(p, names), fmt::join(names, ", "));
  };
  check("include", include);
  check("exclude", exclude);
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < names.size(); ++i)
    if ((include.empty() || matches_any(names[i], include)) && !matches_any(names[i], exclude))
      chosen.push_back(i);
  return chosen;
}

}  // namespace espalier
