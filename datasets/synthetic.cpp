// synthetic.cpp: made-up images for tests and first tries: every class is a smooth pattern of its own, every
// image that pattern plus noise. The same settings give the same bytes.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "framework/core/memory.h"
#include "framework/core/random.h"
#include "framework/data/image_set.h"

namespace espalier {
namespace {

struct SyntheticSettings final : DataSettings {
  int classes = 10, train = 500, test = 100, height = 16, width = 16, channels = 3;
  double noise = 0.2;
  std::uint64_t seed = 1;

  void fields(Fields& f) override {
    f("classes", classes, "number of classes", {.low = 2, .high = 1000});
    f("train", train, "training images; classes take turns", {.low = 1, .high = 1e7});
    f("test", test, "test images", {.low = 1, .high = 1e7});
    f("height", height, "of an image, in pixels", {.low = 1, .high = 1024});
    f("width", width, "of an image, in pixels", {.low = 1, .high = 1024});
    f("channels", channels, "of an image", {.low = 1, .high = 64});
    f("noise", noise, "standard deviation of the noise, where 1 is the whole range from black to white",
      {.low = 0, .high = 1});
    f("seed", seed, "of patterns and noise");
  }

  /// The pattern of a class, in [0.25, 0.75] of the range: one low-frequency wave for each channel.
  std::vector<double> pattern(int k) const {
    std::vector<double> values(static_cast<std::size_t>(height) * width * channels);
    for (int c = 0; c < channels; ++c) {
      Random random(seed, Random::Use::synthetic,
                    {0, static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(c)});
      const double pi = std::numbers::pi, across = random.uniform(-1.5, 1.5),
                   down = random.uniform(-1.5, 1.5), phase = random.uniform(0, 2 * pi);
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
          values[(Index{y} * width + x) * channels + c] =
              0.5 + 0.25 * std::cos(2 * pi * (across * x / width + down * y / height) + phase);
    }
    return values;
  }

  ImageSet make(int count, std::uint64_t split) const {
    std::vector<std::vector<double>> patterns;
    patterns.reserve(classes);
    for (int k = 0; k < std::min(classes, count); ++k) patterns.push_back(pattern(k));
    ImageSet set{height, width, channels, {}, {}};
    set.pixels.reserve(count * set.image_bytes());
    for (int i = 0; i < count; ++i) {
      Random random(seed, Random::Use::synthetic, {split, static_cast<std::uint64_t>(i)});
      set.labels.push_back(i % classes);
      for (const double value : patterns[i % classes])
        set.pixels.push_back(static_cast<std::uint8_t>(
            std::clamp(std::lround(255 * (value + noise * random.normal())), 0L, 255L)));
    }
    return set;
  }

  DataSource open() const override {
    const double image = static_cast<double>(height) * width * channels;
    require_memory(image * (double{1} * train + test + 8.0 * classes), "data.source: the synthetic images");
    std::vector<std::string> names;
    names.reserve(classes);
    for (int k = 0; k < classes; ++k) names.push_back(fmt::format("pattern {}", k));
    return {make(train, 1), make(test, 2), std::move(names), ""};
  }
};

const bool synthetic_known = Registry<DataSettings>::add<SyntheticSettings>(
    "synthetic", "made-up images, one smooth pattern with noise for each class");

}  // namespace
}  // namespace espalier
