// images.h: small image sets for tests, with every byte known.
#pragma once

#include <cstdint>

#include "framework/core/random.h"
#include "framework/data/image_set.h"

namespace espalier::testing {

/// `count` images of random bytes; labels count through `classes`.
inline ImageSet random_images(Index count, int height, int width, int channels, int classes = 10,
                              std::uint64_t seed = 1) {
  ImageSet set{height, width, channels, {}, {}};
  Random random(seed, Random::Use::test);
  for (Index i = 0; i < count * set.image_bytes(); ++i)
    set.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (Index i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(i % classes));
  return set;
}

}  // namespace espalier::testing
