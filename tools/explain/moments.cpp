#include "tools/explain/moments.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/io/json_text.h"
#include "tools/report/report_text.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t most_moments = 24, most_pictures = 24;
constexpr Index most_bytes = 64 * 64 * 3;

/// The lines that are moments; of a step that was repeated after a stop, the last.
std::vector<Json> read_moments(const std::string& text) {
  std::vector<Json> all;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (json_problem(line)) continue;
    Json moment = Json::parse(line);
    if (!moment.is_object() || !moment.contains("classes")) continue;
    const auto same = [&](const Json& other) {
      return other["epoch"] == moment["epoch"] && other["sub_step"] == moment["sub_step"] && other["what"] == moment["what"];
    };
    std::erase_if(all, same);
    all.push_back(std::move(moment));
  }
  return all;
}

/// Evenly spaced, the first and the last among them.
std::vector<Json> spread(std::vector<Json> all) {
  if (all.size() <= most_moments) return all;
  std::vector<Json> some;
  for (std::size_t i = 0; i < most_moments; ++i) some.push_back(all[i * (all.size() - 1) / (most_moments - 1)]);
  return some;
}

}  // namespace

Json moments_json(const RunFolder& folder, const std::string& end, const LoadedData& data) {
  std::error_code unknown;
  const auto file = folder.path() / "moments.jsonl";
  if (!std::filesystem::exists(file, unknown)) return nullptr;
  std::vector<Json> moments = spread(read_moments(read_whole_file(file) + end));
  if (moments.size() < 2) return nullptr;
  const ImageSet& test = data.source.test;
  std::size_t images = static_cast<std::size_t>(test.size());
  for (const Json& m : moments) images = std::min(images, m["classes"].size());
  Json out{{"layer", moments[0]["layer"]}, {"shape", moments[0]["shape"]}, {"class_names", data.source.class_names},
           {"images_looked_at", images},   {"moments", Json::array()},     {"images", Json::array()}};
  for (const Json& m : moments)
    out["moments"].push_back({{"epoch", m["epoch"]},       {"sparsity", m["sparsity"]}, {"test_accuracy", m["test_accuracy"]},
                              {"what", m["what"]},         {"weights", m["weights"]},   {"scale", m["scale"]},
                              {"right", 0},                {"lost", 0},                 {"won", 0}});
  for (std::size_t n = 0; n < images; ++n) {
    bool flips = false;
    const bool at_first = moments[0]["classes"][n] == test.labels[n];
    for (std::size_t t = 0; t < moments.size(); ++t) {
      const bool right = moments[t]["classes"][n] == test.labels[n];
      Json& m = out["moments"][t];
      m["right"] = m["right"].get<int>() + right;
      m["lost"] = m["lost"].get<int>() + (at_first && !right);
      m["won"] = m["won"].get<int>() + (!at_first && right);
      flips |= right != at_first;
    }
    // Pictures that are decoded when they are needed, and large ones, would make the page too large.
    if (!flips || out["images"].size() >= most_pictures || test.pixels.empty() || test.image_bytes() > most_bytes)
      continue;
    Json classes = Json::array();
    for (const Json& m : moments) classes.push_back(m["classes"][n]);
    const auto pixels = std::span(test.pixels).subspan(n * test.image_bytes(), test.image_bytes());
    out["images"].push_back({{"number", n},
                             {"label", test.labels[n]},
                             {"height", test.height},
                             {"width", test.width},
                             {"channels", test.channels},
                             {"pixels", base64({pixels.data(), pixels.size()})},
                             {"classes", std::move(classes)}});
  }
  return out;
}

}  // namespace espalier
