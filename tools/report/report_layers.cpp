#include "tools/report/report_layers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "framework/core/check.h"
#include "framework/io/compact/weights_file.h"
#include "tools/report/report_text.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int bins = 64;
constexpr std::int64_t most_inputs = 16384;

/// Weights of one tensor with its mask, if the file has one.
struct Weights {
  std::vector<float> values;
  std::vector<bool> kept;
};

std::optional<WeightsFile> read_file(const fs::path& path, std::vector<std::string>& notices) {
  if (path.empty()) return std::nullopt;
  try {
    return read_weights_file(path);
  } catch (const std::exception& e) {
    notices.push_back(fmt::format("{} could not be read, so weights are missing here: {}",
                                  path.filename().string(), e.what()));
    return std::nullopt;
  }
}

std::optional<Weights> weights_of(const WeightsFile& file, const std::string& name,
                                  const std::vector<std::int64_t>& shape) {
  const NamedWeights* tensor = file.find(name);
  if (!tensor || tensor->shape != shape) return std::nullopt;
  Weights w{.values = tensor->values, .kept = std::vector<bool>(tensor->values.size(), true)};
  if (!tensor->kept.empty()) w.kept.assign(tensor->kept.begin(), tensor->kept.end());
  return w;
}

/// Largest magnitude of the finite values of both.
double extent(const Weights& a, const std::optional<Weights>& b) {
  double most = 0;
  const auto look = [&](const Weights& w) {
    for (const float v : w.values)
      if (std::isfinite(v)) most = std::max(most, std::abs(static_cast<double>(v)));
  };
  look(a);
  if (b) look(*b);
  return most > 0 ? most : 1;
}

Json counts(const Weights& w, double most) {
  std::vector<std::int64_t> count(bins);
  for (std::size_t i = 0; i < w.values.size(); ++i) {
    if (!w.kept[i] || !std::isfinite(w.values[i])) continue;
    const double at = std::floor((w.values[i] / most + 1) / 2 * bins);
    ++count[static_cast<std::size_t>(std::clamp(at, 0.0, bins - 1.0))];
  }
  return count;
}

std::string quantised(const Weights& w, double most) {
  std::vector<std::uint8_t> bytes(w.values.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const double v = std::isfinite(w.values[i]) ? w.values[i] : 0;
    bytes[i] = static_cast<std::uint8_t>(w.kept[i] ? std::lround(v / most * 127) : -128);
  }
  return base64(bytes);
}

Json kept_of_inputs(const Weights& w, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> kept(shape[1]);
  for (std::size_t i = 0; i < w.kept.size(); ++i) kept[i % kept.size()] += w.kept[i];
  return kept;
}

bool finite(const Weights& w) {
  return std::all_of(w.values.begin(), w.values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

Json read_layers(const fs::path& pruned, const fs::path& dense, std::size_t budget,
                 std::vector<std::string>& notices) {
  Json layers = Json::array();
  const std::optional<WeightsFile> file = read_file(pruned, notices), before_file = read_file(dense, notices);
  if (!file) return layers;
  std::vector<std::string> without_tiles;
  for (const NamedWeights& tensor : file->tensors) {
    const auto& shape = tensor.shape;
    if (!tensor.name.ends_with(".weight") || (shape.size() != 2 && shape.size() != 4) ||
        tensor.values.empty())
      continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - std::string_view(".weight").size());
    const Weights after = *weights_of(*file, tensor.name, shape);
    const std::optional<Weights> before =
        before_file ? weights_of(*before_file, tensor.name, shape) : std::nullopt;
    if (!finite(after) || (before && !finite(*before)))
      notices.push_back(fmt::format(
          "{} holds weights that are no finite numbers; they are left out of its histogram.", name));
    const double most = extent(after, before);
    Json layer{{"name", name},
               {"shape", shape},
               {"weights", after.values.size()},
               {"kept", std::count(after.kept.begin(), after.kept.end(), true)},
               {"histogram",
                {{"low", -most},
                 {"high", most},
                 {"before", before ? counts(*before, most) : Json()},
                 {"after", counts(after, most)}}}};
    if (shape.size() == 2 && shape[1] <= most_inputs) layer["inputs"] = kept_of_inputs(after, shape);
    if (shape.size() == 4) {
      const std::size_t bytes = after.values.size() * (before ? 2 : 1) * 4 / 3;
      if (bytes <= budget) {
        budget -= bytes;
        layer["tiles"] = {{"scale", most},
                          {"before", before ? Json(quantised(*before, most)) : Json()},
                          {"after", quantised(after, most)}};
      } else {
        without_tiles.push_back(name);
      }
    }
    layers.push_back(std::move(layer));
  }
  if (!without_tiles.empty())
    notices.push_back(fmt::format("To keep the page small, the filters of {} are not in it.",
                                  fmt::join(without_tiles, ", ")));
  return layers;
}

}  // namespace espalier
