// The published MLPNet row at 95 % (findings.md; Singh & Alistarh's code): block WoodFisher 84.18 %,
// K-FAC 81.26 %, layer-wise diagonal Fisher 19.88 %, to the digit, with the configs in configs/. Needs
// ESPALIER_DATA (mnist/) and ESPALIER_SHARED (the checkpoint).
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "paths.h"

namespace espalier {
namespace {

std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return "could not start";
  std::array<char, 4096> part{};
  while (fgets(part.data(), static_cast<int>(part.size()), pipe)) output += part.data();
  pclose(pipe);
  return output;
}

TEST(PublishedRows, MlpNetAt95PercentToTheDigit) {
  const char *data = std::getenv("ESPALIER_DATA"), *shared = std::getenv("ESPALIER_SHARED");
  if (!data || !shared) GTEST_SKIP() << "set ESPALIER_DATA and ESPALIER_SHARED";
  for (const auto& [config, accuracy] : {std::pair{"mlpnet_woodfisher_95", "84.18 %"},
                                         {"mlpnet_diagonal_fisher_95", "19.88 %"},
                                         {"mlpnet_kfac_95", "81.26 %"}}) {
    const auto output = std::filesystem::temp_directory_path() /
                        ("espalier_" + std::string(config) + std::to_string(::getpid()));
    const std::string table =
        run(std::string("cd ") + ESPALIER_SOURCE_DIR + " && " + ESPALIER_CLI + " prune configs/" + config +
            ".json --quiet --output " + output.string() + " --set data.source.path=" + data +
            "/mnist --set checkpoint=" + shared + "/data/checkpoints/mlpnet_mnist.safetensors");
    EXPECT_NE(table.find("93.97 %"), std::string::npos) << "the dense accuracy\n" << table;
    EXPECT_NE(table.find(accuracy), std::string::npos) << config << "\n" << table;
    std::filesystem::remove_all(output);
  }
}

}  // namespace
}  // namespace espalier
