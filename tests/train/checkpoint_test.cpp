// What is saved comes back, in PyTorch's names and order; what does not fit is refused with a list.
#include "framework/train/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <limits>

#include "framework/io/atomic_file.h"
#include "framework/io/compact/compact_file.h"
#include "framework/io/safetensors.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Model> build(const std::string& type, std::uint64_t seed = 1) {
  Variant<ModelSettings> choice;
  choice.choose(type);
  return choice->build({32, 32, 3}, 10, seed);
}

struct CheckpointTest : testing::Test {
  fs::path path =
      fs::temp_directory_path() / ("espalier_checkpoint_" + std::to_string(::getpid()) + ".safetensors");
  ~CheckpointTest() override { fs::remove(path); }
  std::string refusal(Model& model) {
    try {
      load_checkpoint(path, model);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::checkpoint);
      return e.what();
    }
    return "loaded";
  }
};

TEST_F(CheckpointTest, RoundTripKeepsWeightsMasksAndStatistics) {
  const auto model = build("resnet20", 1);
  ParameterStore& store = model->store();
  store.mask()[7] = 0;
  store.apply_mask();
  store.statistics()[3] = Real(0.25);
  save_checkpoint(path, *model, {{"note", "x"}});
  const auto other = build("resnet20", 2);
  EXPECT_EQ(load_checkpoint(path, *other).metadata.at("note"), "x");
  EXPECT_TRUE(std::equal(store.values().begin(), store.values().end(), other->store().values().begin()));
  EXPECT_TRUE(std::equal(store.mask().begin(), store.mask().end(), other->store().mask().begin()));
  EXPECT_TRUE(
      std::equal(store.statistics().begin(), store.statistics().end(), other->store().statistics().begin()));
}

TEST_F(CheckpointTest, ConvolutionsAreOihwOnDisk) {
  const auto model = build("cifarnet");
  save_checkpoint(path, *model);
  const TensorFile file = read_safetensors(path);
  const StoredTensor* w = file.find("conv1.weight");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->shape, (std::vector<std::int64_t>{32, 3, 5, 5}));
  const std::vector<float> disk = to_floats(*w);
  // Output 2, input channel 1, row 3, column 4: OIHW on disk, OHWI in memory.
  EXPECT_EQ(disk[((2 * 3 + 1) * 5 + 3) * 5 + 4],
            static_cast<float>(model->store().values()[((2 * 5 + 3) * 5 + 4) * 3 + 1]));
}

TEST_F(CheckpointTest, AnotherModelIsRefusedWithAllDifferences) {
  save_checkpoint(path, *build("lenet"));
  const auto model = build("cifarnet");
  const std::vector<Real> before(model->store().values().begin(), model->store().values().end());
  const std::string message = refusal(*model);
  EXPECT_NE(message.find("missing (shapes on disk, OIHW):\n    conv3.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("conv1.weight: {6,3,5,5} in the file, the model has {32,3,5,5}"), std::string::npos)
      << message;
  EXPECT_NE(message.find("not in the model:"), std::string::npos) << message;
  EXPECT_NE(message.find("fc3.weight"), std::string::npos) << message;
  EXPECT_TRUE(std::equal(before.begin(), before.end(), model->store().values().begin()))
      << "a refused checkpoint changed the model";
}

TEST_F(CheckpointTest, ValuesThatAreNotFiniteAreRefused) {
  const auto model = build("cifarnet");
  model->store().values()[5] = std::numeric_limits<Real>::quiet_NaN();
  save_checkpoint(path, *model);
  EXPECT_NE(refusal(*build("cifarnet")).find("conv1.weight"), std::string::npos);
}

TEST_F(CheckpointTest, ADoubleThatFloat32CannotHoldIsRefused) {
  const auto model = build("cifarnet");
  save_checkpoint(path, *model);
  TensorFile file = read_safetensors(path);
  for (StoredTensor& t : file.tensors)
    if (t.name == "fc2.bias") {
      const std::vector<double> values{0, 1, 1e300, 0, 0, 0, 0, 0, 0, 0};
      t.dtype = DType::f64;
      t.bytes.resize(80);
      std::memcpy(t.bytes.data(), values.data(), 80);
    }
  write_safetensors(path, file);
  const std::string message = refusal(*build("cifarnet"));
  for (const char* part : {"'fc2.bias'", "1e+300", "index 2", "float32"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST_F(CheckpointTest, ANegativeVarianceIsRefusedSinceItsRootIsNoNumber) {
  const auto model = build("resnet20");
  for (const StatisticInfo& s : model->store().statistic_infos())
    if (s.name == "bn1.running_var") model->store().statistics()[s.range.begin] = -1;
  save_checkpoint(path, *model);
  const auto other = build("resnet20", 2);
  const std::vector<Real> before(other->store().values().begin(), other->store().values().end());
  const std::string message = refusal(*other);
  EXPECT_NE(message.find("'bn1.running_var' holds -1 at index 0"), std::string::npos) << message;
  EXPECT_TRUE(std::equal(before.begin(), before.end(), other->store().values().begin()));
}

// The mask of a pruned network is in its zeros; what they cannot tell has a bit for each value.
TEST_F(CheckpointTest, APrunedNetworkTakesNoMoreRoomThanADenseOne) {
  const auto model = build("cifarnet");
  save_checkpoint(path, *model);
  const std::uintmax_t dense = fs::file_size(path);
  ParameterStore& store = model->store();
  for (const ParameterInfo& p : store.infos())
    for (Index i = p.range.begin; p.role == Role::weight && i < p.range.end; i += 2) store.mask()[i] = 0;
  store.apply_mask();
  save_checkpoint(path, *model);
  EXPECT_EQ(fs::file_size(path), dense);
  const auto other = build("cifarnet", 2);
  load_checkpoint(path, *other);
  EXPECT_TRUE(std::equal(store.mask().begin(), store.mask().end(), other->store().mask().begin()));
}

TEST_F(CheckpointTest, KeptZerosAndPrunedBiasesComeBackToo) {
  const auto model = build("cifarnet");
  ParameterStore& store = model->store();
  for (const ParameterInfo& p : store.infos()) {
    if (p.name == "conv1.weight") store.mask()[p.range.begin] = 0;
    if (p.name == "conv1.weight") store.values()[p.range.begin + 9] = Real(0);
    if (p.name == "conv2.weight") store.values()[p.range.begin + 8] = Real(-0.0);
    if (p.name == "conv3.bias") store.mask()[p.range.begin + 3] = 0;
  }
  store.apply_mask();
  save_checkpoint(path, *model);
  const TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.find("conv1.weight_mask_bits")->bytes.size(), 32U * 3 * 5 * 5 / 8);
  EXPECT_EQ(file.find("conv3.bias_mask_bits")->bytes.at(0), std::byte{0xf7});
  EXPECT_EQ(file.find("fc1.weight_mask_bits"), nullptr);
  const auto other = build("cifarnet", 2);
  load_checkpoint(path, *other);
  EXPECT_TRUE(std::equal(store.mask().begin(), store.mask().end(), other->store().mask().begin()));
  EXPECT_EQ(std::memcmp(store.values().data(), other->store().values().data(), store.values().size_bytes()),
            0);
}

TEST_F(CheckpointTest, ACompactFileIsACheckpoint) {
  const auto model = build("resnet20");
  ParameterStore& store = model->store();
  for (const ParameterInfo& p : store.infos())
    for (Index i = p.range.begin; p.role == Role::weight && i < p.range.end; ++i)
      store.mask()[i] = i % 10 == 0;
  store.apply_mask();
  store.statistics()[3] = Real(0.25);
  WeightsFile weights = checkpoint_of(*model);
  weights.metadata["note"] = "x";
  write_file_atomically(path, encode_compact(weights, {}).bytes);
  const auto other = build("resnet20", 2);
  EXPECT_EQ(load_checkpoint(path, *other).metadata.at("note"), "x");
  const ParameterStore& loaded = other->store();
  EXPECT_EQ(std::memcmp(store.values().data(), loaded.values().data(), store.values().size_bytes()), 0);
  EXPECT_TRUE(std::equal(store.mask().begin(), store.mask().end(), loaded.mask().begin()));
  EXPECT_TRUE(std::equal(store.statistics().begin(), store.statistics().end(), loaded.statistics().begin()));
}

TEST_F(CheckpointTest, FilesOfBeforeWithAByteForEachFlagStillLoad) {
  const auto model = build("cifarnet");
  save_checkpoint(path, *model);
  TensorFile file = read_safetensors(path);
  file.metadata.erase("masks");
  std::vector<std::uint8_t> mask(32 * 3 * 5 * 5, 1);
  mask[7] = 0;
  file.add("conv1.weight_mask", {32, 3, 5, 5}, std::span<const std::uint8_t>(mask));
  write_safetensors(path, file);
  const auto other = build("cifarnet", 2);
  load_checkpoint(path, *other);
  // On disk output 0, input channel 0, row 1, column 2: in memory ((0 * 5 + 1) * 5 + 2) * 3 + 0.
  for (Index i = 0; i < 100; ++i) EXPECT_EQ(other->store().mask()[i], i == 21 ? 0 : 1) << i;
  EXPECT_EQ(other->store().values()[21], 0);
}

TEST_F(CheckpointTest, Float16WeightsLoadWithANotice) {
  save_checkpoint(path, *build("cifarnet"));
  TensorFile file = read_safetensors(path);
  for (StoredTensor& t : file.tensors)
    if (t.name == "fc2.bias") {
      t.dtype = DType::f16;
      t.bytes.assign(20, std::byte{0x3c});
    }
  write_safetensors(path, file);
  const LoadedCheckpoint loaded = load_checkpoint(path, *build("cifarnet"));
  ASSERT_EQ(loaded.notices.size(), 1U);
  EXPECT_NE(loaded.notices[0].find("converted to float32: fc2.bias (F16)"), std::string::npos);
}

}  // namespace
}  // namespace espalier
