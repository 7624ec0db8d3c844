#include "framework/train/rates.h"

#include <algorithm>
#include <set>

#include "framework/config/pattern.h"
#include "framework/config/suggest.h"
#include "framework/core/check.h"
#include "framework/train/trainer.h"

namespace espalier {
namespace {

std::string layer_name(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }

/// Numbers of the parameters that a pattern fits.
std::vector<std::size_t> fitting(const ParameterStore& store, const std::string& pattern,
                                 const std::string& setting) {
  std::vector<std::size_t> found;
  std::vector<std::string> names;
  for (std::size_t p = 0; p < store.infos().size(); ++p) {
    const std::string &name = store.infos()[p].name, layer = layer_name(name);
    if (matches_pattern(name, pattern) || matches_pattern(layer, pattern)) found.push_back(p);
    if (names.empty() || names.back() != layer) names.push_back(layer);
  }
  if (found.empty())
    fail(ExitCode::config, "{}: \"{}\" fits no parameter and no layer{} (the layers are {})", setting,
         pattern, did_you_mean(pattern, names), fmt::join(names, ", "));
  return found;
}

}  // namespace

std::vector<std::string> apply_rates(const TrainSettings& settings, Model& model) {
  const ParameterStore& store = model.store();
  std::vector<double> factors(store.infos().size(), 1.0);
  for (std::size_t i = 0; i < settings.learning_rates.size(); ++i)
    for (const std::size_t p : fitting(store, settings.learning_rates[i].parameters,
                                       fmt::format("train.learning_rates.{}.parameters", i)))
      factors[p] = settings.learning_rates[i].factor;
  for (const std::string& pattern : settings.freeze)
    for (const std::size_t p : fitting(store, pattern, "train.freeze")) factors[p] = 0;
  model.set_rates(factors);

  Index values = 0;
  std::vector<std::string> frozen;
  for (std::size_t p = 0; p < factors.size(); ++p)
    if (factors[p] == 0) {
      frozen.push_back(store.infos()[p].name);
      values += store.infos()[p].range.size();
    }
  if (frozen.empty()) return {};
  if (frozen.size() == factors.size() && settings.epochs > 0)
    fail(ExitCode::config,
         "train.freeze names all {} parameters, so that nothing is left to train; leave some out, or set "
         "train.epochs to 0",
         factors.size());
  constexpr std::size_t most = 8;
  const std::size_t shown = std::min(frozen.size(), most);
  std::string list =
      fmt::format("{}", fmt::join(frozen.begin(), frozen.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (frozen.size() > most) list += fmt::format(" and {} more", frozen.size() - most);
  return {fmt::format("train.freeze: {} of {} parameters ({} of {} values) are frozen: {}", frozen.size(),
                      factors.size(), values, store.size(), list)};
}

}  // namespace espalier
