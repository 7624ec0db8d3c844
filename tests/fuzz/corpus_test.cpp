// Every file of the corpora through its target, as in a fuzzing run: what was found once stays found. And each
// of them with a byte changed, cut and doubled at many places, which needs no fuzzer.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "framework/core/random.h"
#include "paths.h"
#include "tests/fuzz/targets.h"

namespace espalier::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> corpus(const std::string& name) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(ESPALIER_SOURCE_DIR) / "tests/fuzz/corpus" / name))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::uint8_t> bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Corpus : public ::testing::TestWithParam<Target> {};

TEST_P(Corpus, IsReadOrRefused) {
  const auto files = corpus(GetParam().name);
  ASSERT_FALSE(files.empty());
  for (const fs::path& file : files) EXPECT_NO_THROW(run(GetParam(), bytes_of(file))) << file;
}

TEST_P(Corpus, DamagedIsReadOrRefused) {
  Random random(1, Random::Use::test);
  for (const fs::path& file : corpus(GetParam().name)) {
    const std::vector<std::uint8_t> good = bytes_of(file);
    if (good.empty() || good.size() > 20'000) continue;
    for (int i = 0; i < 60; ++i) {
      std::vector<std::uint8_t> bad = good;
      const auto at = static_cast<std::size_t>(random.below(bad.size()));
      switch (random.below(3)) {
        case 0:
          bad[at] = static_cast<std::uint8_t>(random.below(256));
          break;
        case 1:
          bad.resize(at);
          break;
        default:
          bad.insert(bad.begin() + static_cast<std::ptrdiff_t>(at), good.begin(), good.end());
      }
      EXPECT_NO_THROW(run(GetParam(), bad)) << file << ", change " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, ::testing::ValuesIn(targets()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace espalier::fuzz
