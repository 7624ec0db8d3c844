// damage.h: files damaged in every small way. A reader must take each or throw Error with the code of a bad
// file; the sanitised builds see what it does wrong on the way.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/core/random.h"

namespace espalier::testing {

using Contents = std::function<void(const std::string& contents)>;

/// True if `read` took `contents`. Anything but Error(expected) or Error(memory) is a failure of the test.
inline bool taken(const std::string& contents, ExitCode expected, const Contents& read) {
  try {
    read(contents);
    return true;
  } catch (const Error& e) {
    EXPECT_TRUE(e.code() == expected || e.code() == ExitCode::memory) << e.what();
    EXPECT_GT(std::string(e.what()).size(), 20U);
  } catch (const std::exception& e) {
    ADD_FAILURE() << "not an Error: " << e.what();
  }
  return false;
}

/// Every truncation, every byte set to five other values, `random` files with several changes; and no more
/// than `memory` bytes taken by all of it.
inline void expect_no_damage_brings_it_down(const std::string& contents, ExitCode expected,
                                            const Contents& read, int random = 500,
                                            std::uint64_t memory = 256u << 20) {
  ASSERT_TRUE(taken(contents, expected, read)) << "the undamaged file";
  const std::uint64_t before = peak_resident_memory();
  for (std::size_t n = 0; n < contents.size(); ++n) taken(contents.substr(0, n), expected, read);
  for (std::size_t i = 0; i < contents.size(); ++i)
    for (const int change : {0x01, 0x80, 0xff, 0x10}) {
      std::string bad = contents;
      bad[i] = static_cast<char>(bad[i] ^ change);
      taken(bad, expected, read);
    }
  for (int r = 0; r < random; ++r) {
    Random draw(11, Random::Use::test, {static_cast<std::uint64_t>(r)});
    std::string bad = contents;
    const std::uint64_t changes = 1 + draw.below(8);
    for (std::uint64_t c = 0; c < changes; ++c) {
      const std::size_t at = draw.below(bad.size());
      switch (draw.below(4)) {
        case 0:
          bad[at] = static_cast<char>(draw.below(256));
          break;
        case 1:
          bad.erase(at, 1 + draw.below(16));
          break;
        case 2:
          bad.insert(at, std::string(1 + draw.below(8), static_cast<char>(draw.below(256))));
          break;
        default:
          bad.insert(at, bad.substr(draw.below(bad.size()), draw.below(64)));
      }
      if (bad.empty()) bad = "x";
    }
    taken(bad, expected, read);
  }
  EXPECT_LE(peak_resident_memory() - before, memory) << "a damaged file made the reader take memory";
}

}  // namespace espalier::testing
