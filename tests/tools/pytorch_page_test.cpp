// The commands of tools/examples/pytorch/README.md as they stand there, on a tiny part of the images.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "paths.h"
#include "tests/support/data_sets.h"
#include "tests/support/external.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> commands_of(const fs::path& page) {
  std::ifstream in(page);
  std::vector<std::string> commands;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```"))
      inside = line == "```sh";
    else if (inside)
      commands.push_back(line);
  }
  return commands;
}

/// What makes a command small. Later options and overrides count.
std::string tiny(const std::string& command) {
  if (command.find("train.py") != std::string::npos) return " --images 384 --test 100 --epochs 1";
  if (command.find("espalier prune") != std::string::npos)
    return " --quiet --set data.train_limit=384 --set data.test_limit=100 --set prune.num_grads=8";
  return "";
}

TEST(PytorchPage, ItsCommandsRunAsTheyStand) {
  const char* data = std::getenv("ESPALIER_DATA");
  if (!data || !fs::exists(fs::path(data) / "cifar-10-batches-bin"))
    GTEST_SKIP() << "no CIFAR-10 in $ESPALIER_DATA";
  if (!testing::python_has("torchvision"))
    GTEST_SKIP() << "no torchvision: apt-get install python3-torchvision";
  const testing::TempFolder folder;
  const fs::path source = ESPALIER_SOURCE_DIR;
  fs::create_directory_symlink(source / "tools", folder / "tools");
  fs::create_directory_symlink(source / "configs", folder / "configs");
  fs::create_directory_symlink(data, folder / "data");
  fs::create_directories(folder / "build/release");
  fs::create_symlink(ESPALIER_CLI, folder / "build/release/espalier");
  if (!testing::onnxruntime().empty())
    fs::create_directory_symlink(testing::onnxruntime(), folder / "build/onnxruntime");
  const std::vector<std::string> commands = commands_of(source / "tools/examples/pytorch/README.md");
  ASSERT_EQ(commands.size(), 8U);
  for (const std::string& command : commands) {
    if (command.starts_with("node ") && testing::onnxruntime().empty()) continue;
    const std::string line =
        fmt::format("cd {} && IMAGES=100 {}{} > log.txt 2>&1", folder.str(), command, tiny(command));
    const int status = std::system(line.c_str());
    std::ifstream log(folder / "log.txt");
    const std::string said{std::istreambuf_iterator<char>(log), {}};
    ASSERT_EQ(status, 0) << command << "\n" << said;
    if (command.starts_with("node ")) {
      EXPECT_NE(said.find("| pruned.onnx |"), std::string::npos) << said;
    }
    if (command.find("-o out/pruned.onnx") != std::string::npos) {
      EXPECT_NE(said.find("90.00 % of weights zero"), std::string::npos) << said;
    }
  }
}

}  // namespace
}  // namespace espalier
