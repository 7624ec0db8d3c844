#include "pruning/choice/layer_names.h"

#include <fnmatch.h>

#include <algorithm>

#include "framework/config/suggest.h"
#include "framework/core/check.h"

namespace espalier {
namespace {

bool matches(const std::string& name, const std::string& pattern) {
  return fnmatch(pattern.c_str(), name.c_str(), FNM_NOESCAPE) == 0;
}

}  // namespace

std::vector<std::size_t> match_names(const std::vector<std::string>& names,
                                     const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude) {
  const auto check = [&](const char* key, const std::vector<std::string>& patterns) {
    for (const std::string& p : patterns)
      if (std::none_of(names.begin(), names.end(), [&](const std::string& n) { return matches(n, p); }))
        fail(ExitCode::config, "prune.{}: \"{}\" matches no layer{} (the model has {})", key, p,
             did_you_mean(p, names), fmt::join(names, ", "));
  };
  check("include", include);
  check("exclude", exclude);
  const auto any = [](const std::vector<std::string>& patterns, const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return matches(name, p); });
  };
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < names.size(); ++i)
    if ((include.empty() || any(include, names[i])) && !any(exclude, names[i])) chosen.push_back(i);
  return chosen;
}

}  // namespace espalier
