// photographs_test.cpp: a folder of photographs of all sizes as a user has it: trained on, stopped and taken up again,
// pruned, evaluated class by class, and single pictures named.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/random.h"
#include "framework/io/npz.h"
#include "framework/io/safetensors.h"
#include "paths.h"
#include "tests/support/command.h"
#include "tests/support/pictures.h"

namespace espalier {
namespace {

using testing::expect_outcome;
using testing::Outcome;
using Json = nlohmann::json;

struct PhotographRuns : ::testing::Test {
  testing::TempFolder folder;
  testing::Program program{ESPALIER_CLI, folder};

  /// Bright above (sky) or below (snow), of any size, as JPEG and PNG; 48 of each.
  PhotographRuns() {
    for (int i = 0; i < 96; ++i) {
      Random random(1, Random::Use::test, {static_cast<std::uint64_t>(i)});
      const bool sky = i % 2 == 0;
      const int height = 24 + static_cast<int>(random.below(30)),
                width = 24 + static_cast<int>(random.below(30));
      testing::PictureBytes pixels;
      for (int p = 0; p < height * width * 3; ++p) {
        const bool above = p / (3 * width) < height / 2;
        pixels.push_back(static_cast<std::uint8_t>((above == sky ? 150 : 30) + random.below(70)));
      }
      const std::string name = fmt::format("photos/{}/{}", sky ? "sky" : "snow", i);
      if (i % 3)
        folder.write(name + ".jpg", testing::jpeg_of(height, width, {.progressive = i % 3 == 1}, pixels));
      else
        folder.write(name + ".png", testing::png_of(height, width, {}, pixels));
    }
  }
  static Json config(const std::string& name) {
    return {{"name", name},
            {"seed", 5},
            {"data",
             {{"source", {{"type", "image_folder"}, {"path", "photos"}, {"test_share", 0.25}}},
              {"resize", 20},
              {"crop", 16},
              {"augment", {{"random_resized_crop", {{"scale", {0.5, 1.0}}}}, {"horizontal_flip", true}}}}},
            {"model",
             {{"type", "sequential"},
              {"layers",
               {{{"type", "conv"}, {"name", "conv"}, {"out", 8}, {"kernel", 3}, {"pad", 1}, {"stride", 2}},
                "relu",
                "flatten",
                {{"type", "linear"}, {"name", "fc"}, {"out", 2}}}}}},
            {"train",
             {{"epochs", 10}, {"batch_size", 16}, {"learning_rate", {{"type", "cosine"}, {"rate", 0.05}}}}}};
  }
  void write(const Json& json) const { folder.write_text("run.json", json.dump()); }
  Outcome run(const std::vector<std::string>& arguments) const { return program.run(arguments); }
  std::vector<std::byte> weights(const std::string& run_folder) const {
    std::vector<std::byte> all;
    for (const StoredTensor& t : read_safetensors(folder / (run_folder + "/checkpoint.safetensors")).tensors)
      all.insert(all.end(), t.bytes.begin(), t.bytes.end());
    return all;
  }
};

TEST_F(PhotographRuns, TrainToTheSameBitsHoweverTheyAreDecoded) {
  write(config("a"));
  const auto train = [&](const std::string& output, std::vector<std::string> more) {
    std::vector<std::string> arguments{"train", "run.json", "--quiet", "--no-report", "--output", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_outcome(run(arguments), 0, {});
  };
  train("a", {"--threads", "1"});
  train("b", {"--threads", "2", "--set", "data.workers=3"});
  train("c", {"--threads", "2", "--set", "data.cache_mb=0"});
  EXPECT_EQ(weights("a"), weights("b"));
  EXPECT_EQ(weights("a"), weights("c"));
}

TEST_F(PhotographRuns, AreTakenUpWhereTheyWereStopped) {
  Json json = config("a");
  json["train"]["epochs"] = 30;
  write(json);
  expect_outcome(run({"train", "run.json", "--quiet", "--no-report", "--output", "whole"}), 0, {});
  const pid_t child = program.start({"train", "run.json", "--no-report", "--output", "part"});
  for (int i = 0; i < 5000 && !std::filesystem::exists(folder / "part/state.safetensors"); ++i)
    ::usleep(2000);
  ::kill(child, SIGINT);
  const Outcome stopped = program.finish(child);
  if (stopped.code != 0) expect_outcome(stopped, 130, {"--resume"});
  // Workers and cache are no part of what the run is.
  expect_outcome(run({"train", "run.json", "--quiet", "--no-report", "--output", "part", "--resume", "--set",
                      "data.workers=5", "--set", "data.cache_mb=0"}),
                 0, {});
  EXPECT_EQ(weights("whole"), weights("part"));
}

TEST_F(PhotographRuns, ThePlanSaysWhatDecodingTakes) {
  write(config("a"));
  expect_outcome(
      run({"train", "run.json", "--dry-run", "--threads", "2"}), 0,
      {"decoded when they are needed", "images kept (data.cache_mb)", "pictures being decoded (2 workers)"});
}

TEST_F(PhotographRuns, ArePrunedJudgedAndNamed) {
  Json json = config("a");
  json["prune"] = {{"criterion", "woodfisher"},
                   {"num_grads", 32},
                   {"schedule", {{"type", "one_shot"}, {"final_sparsity", 0.5}, {"epoch", 4}}}};
  write(json);
  expect_outcome(run({"prune", "run.json", "--quiet", "--output", "a"}), 0, {});
  EXPECT_NE(testing::slurp(folder / "a/report.html").find("\"evaluation\":"), std::string::npos);

  expect_outcome(run({"evaluate", "run.json", "--output", "a"}), 0,
                 {"test accuracy", "expected calibration error", "class", "sky", "snow", "images by label"});
  const Outcome evaluated = run({"evaluate", "run.json", "--output", "a", "--json", "--quiet"});
  ASSERT_EQ(evaluated.code, 0) << evaluated.output;
  const Json e = Json::parse(evaluated.output),
             kept = Json::parse(testing::slurp(folder / "a/evaluation.json"));
  EXPECT_EQ(e["confusion"], kept["confusion"]) << "a run keeps what its network makes of the test images";
  EXPECT_EQ(e["classes"][0]["name"], "sky");
  EXPECT_EQ(e["images"], 24);
  EXPECT_FALSE(e.contains("top5")) << "of two classes";
  EXPECT_GT(e["accuracy"], 0.9);
  int images = 0;
  for (const auto& row : e["confusion"])
    for (const int n : row) images += n;
  EXPECT_EQ(images, 24);

  // Any picture of any size, by the run, its checkpoint or a compact file; the photographs need not be there.
  expect_outcome(run({"compress", "a", "-o", "c.safetensors"}), 0, {});
  std::filesystem::rename(folder / "photos", folder / "elsewhere");
  const std::string sky = "elsewhere/sky/0.png", snow = "elsewhere/snow/1.jpg";
  std::string first;
  for (const std::string network : {"a", "a/checkpoint.safetensors", "c.safetensors"}) {
    const Outcome named = run({"predict", network, sky, snow, "--json"});
    ASSERT_EQ(named.code, 0) << named.output;
    const Json json_of = Json::parse(named.output);
    EXPECT_EQ(json_of[0]["classes"][0]["class"], "sky") << network;
    EXPECT_EQ(json_of[1]["classes"][0]["class"], "snow") << network;
    if (network == "a") first = named.output;
    if (network == "a/checkpoint.safetensors") {
      EXPECT_EQ(named.output, first);
    }
  }
  expect_outcome(run({"predict", "a", sky}), 0, {"picture", "class", "probability", "sky", " %"});
  folder.write_text("broken.jpg", "\xff\xd8\xff\xe0 no more than this");
  expect_outcome(run({"predict", "a", "broken.jpg"}), 4, {"broken.jpg", "JPEG"});
}

TEST_F(PhotographRuns, NumbersGoThroughAsTheyAre) {
  Json json = config("a");
  json["model"] = {{"type", "sequential"},
                   {"layers",
                    {{{"type", "conv"}, {"name", "conv"}, {"out", 8}, {"kernel", 3}, {"pad", 1}},
                     "relu",
                     "global_average_pool",
                     {{"type", "linear"}, {"name", "fc"}, {"out", 2}}}}};
  json["train"]["epochs"] = 1;
  write(json);
  expect_outcome(run({"train", "run.json", "--quiet", "--no-report", "--output", "a"}), 0, {});
  expect_outcome(run({"export", "a", "-o", "net.onnx"}), 0, {});
  expect_outcome(run({"compress", "a", "-o", "c.safetensors", "--no-thin"}), 0, {});
  const auto input = [&](std::vector<Index> shape) {
    NpyArray x{"x", shape, {}};
    Index size = 1;
    for (const Index extent : shape) size *= extent;
    for (Index i = 0; i < size; ++i) x.values.push_back(std::sin(0.1F * static_cast<float>(i)));
    write_npy(folder / "x.npy", x);
  };
  const auto logits = [&](const std::string& network) {
    expect_outcome(run({"predict", network, "--input", "x.npy", "--output", "y.npy"}), 0,
                   {"y.npy", "2 examples"});
    return to_floats(read_npy(folder / "y.npy"));
  };
  for (const Index side : {16, 25}) {  // this network ends in a mean over space, so that any size will do
    input({2, 3, side, side == 16 ? side : side + 3});
    const std::vector<float> of_run = logits("a"), of_file = logits("c.safetensors");
    ASSERT_EQ(of_run.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(of_file[i], of_run[i], 1e-5);
    if (side != 16) {  // an ONNX file is for the size it declares
      expect_outcome(run({"predict", "net.onnx", "--input", "x.npy", "--output", "y.npy"}), 5,
                     {"net.onnx", "[n, 3, 16, 16]"});
      continue;
    }
    const std::vector<float> of_onnx = logits("net.onnx");
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(of_onnx[i], of_run[i], 1e-5);
  }
  input({2, 16, 16, 3});
  expect_outcome(run({"predict", "a", "--input", "x.npy"}), 4,
                 {"x.npy", "[n, 3, 16, 16]", "transpose(0, 3, 1, 2)"});
  input({3, 16, 16});
  expect_outcome(run({"predict", "a", "--input", "x.npy"}), 4,
                 {"x.npy", "(3, 16, 16)", "[n, channels, height, width]"});
  const std::string head = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3, 1, 1), }";
  folder.write_text("x.npy", std::string("\x93NUMPY\x01\x00", 8) + std::string{static_cast<char>(118), '\0'} +
                                 head + std::string(117 - head.size(), ' ') + "\n" + std::string(24, '\0'));
  expect_outcome(run({"predict", "a", "--input", "x.npy"}), 4, {"x.npy", "F64", "float32", "astype"});
  expect_outcome(run({"predict", "net.onnx", "elsewhere.png"}), 2, {"net.onnx", "--input"});
}

TEST_F(PhotographRuns, AFixedNetworkSaysWhichSizeItTakes) {
  write(config("a"));
  expect_outcome(run({"train", "run.json", "--quiet", "--no-report", "--output", "a"}), 0, {});
  write_npy(folder / "x.npy", NpyArray{"x", {1, 3, 20, 20}, std::vector<float>(1200, 0.5F)});
  expect_outcome(run({"predict", "a", "--input", "x.npy"}), 4, {"x.npy", "[n, 3, 16, 16]", "fc.weight"});
}

}  // namespace
}  // namespace espalier
