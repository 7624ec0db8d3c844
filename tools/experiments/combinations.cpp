#include "tools/experiments/combinations.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/config/writer.h"
#include "tools/experiments/vary.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

template <class Base>
void check_registered(const char* key, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const auto& [name, entry] : Registry<Base>::entries()) known.push_back(name);
  for (const std::string& n : names)
    if (std::find(known.begin(), known.end(), n) == known.end())
      fail(ExitCode::config, "sweep.{} holds \"{}\"{} (one of {})", key, n, did_you_mean(n, known),
           fmt::join(known, ", "));
}

/// The config of one combination: the run's own with its settings put in.
RunConfig config_with(const Json& resolved, const CellRow& c) {
  Json prune{{"criterion", {{"type", c.criterion}}}, {"scope", c.scope}};
  if (c.inverse) prune["inverse"]["type"] = *c.inverse;
  if (c.fisher_block_size) prune["inverse"]["fisher_block_size"] = *c.fisher_block_size;
  if (c.damp) prune["damp"] = *c.damp;
  if (c.update) prune["update"] = *c.update;
  Json json = resolved;
  patch(json, {{"sweep", nullptr}, {"prune", prune}});
  RunConfig config;
  read_config(JsonDocument::parse(json.dump(), "sweep"), config);
  return config;
}

/// Every combination of the lists; a list that is empty stands for the run's own setting.
std::vector<CellRow> product(const RunConfig& config, const Json& own) {
  const SweepConfig& s = *config.sweep;
  const auto or_own = [](const std::vector<std::string>& list, const Json& setting) {
    return list.empty() ? std::vector<std::string>{setting.get<std::string>()} : list;
  };
  const std::vector<double> damps =
      s.damps.empty() ? std::vector<double>{config.prune->damp.value_or(1e-5)} : s.damps;
  std::vector<CellRow> all;
  for (const std::string& criterion : or_own(s.criteria, own["criterion"]["type"]))
    for (const std::string& inverse : or_own(s.inverses, own["inverse"]["type"])) {
      std::vector<std::optional<std::int64_t>> sizes(1);
      if (inverse == "block" && !s.block_sizes.empty())
        sizes.assign(s.block_sizes.begin(), s.block_sizes.end());
      for (const auto& size : sizes)
        for (const std::string& update : or_own(s.updates, own["update"]))
          for (const std::string& scope : or_own(s.scopes, own["scope"]))
            for (const double damp : damps)
              all.push_back({.criterion = criterion,
                             .inverse = inverse,
                             .update = update,
                             .fisher_block_size = size,
                             .damp = damp,
                             .scope = scope});
    }
  return all;
}

}  // namespace

void check_names(const SweepConfig& sweep) {
  check_registered<Criterion>("criteria", sweep.criteria);
  check_registered<InverseSettings>("inverses", sweep.inverses);
}

bool same_combination(const CellRow& a, const CellRow& b) {
  const auto key = [](const CellRow& c) {
    return std::tie(c.criterion, c.inverse, c.fisher_block_size, c.damp, c.update, c.scope);
  };
  return key(a) == key(b);
}

std::string Combination::label(bool with_damp) const {
  std::string text = settings.criterion;
  if (settings.inverse) text += " " + *settings.inverse;
  if (settings.fisher_block_size) text += fmt::format(" {}", *settings.fisher_block_size);
  if (settings.update && settings.update != "simultaneous") text += " " + *settings.update;
  if (settings.scope != "global") text += " " + settings.scope;
  if (with_damp && settings.damp) text += fmt::format(" damp {:g}", *settings.damp);
  return text;
}

std::vector<Combination> list_combinations(RunConfig& config, std::vector<std::string>& skipped) {
  const Json resolved = Json::parse(resolved_json(config));
  std::vector<Combination> found;
  for (CellRow& settings : product(config, resolved["prune"])) {
    Combination c{settings, {}};
    try {
      c.config = config_with(resolved, settings);
    } catch (const Error& e) {
      skipped.push_back(fmt::format("{}: {}", c.label(false), e.what()));
      continue;
    }
    const PruneConfig& prune = *c.config.prune;
    if (!prune.needs_inverse() && prune.update != UpdateMode::joint)  // nothing of these enters
      c.settings = {.criterion = settings.criterion, .scope = settings.scope};
    if (std::none_of(found.begin(), found.end(),
                     [&](const Combination& o) { return same_combination(o.settings, c.settings); }))
      found.push_back(std::move(c));
  }
  return found;
}

}  // namespace espalier
