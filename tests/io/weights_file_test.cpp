// Weights as anybody's files hold them: masks in four notations, floats of any width, and what is refused.
#include "framework/io/compact/weights_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "framework/io/atomic_file.h"
#include "framework/io/compact/compact_file.h"
#include "framework/io/compact/zstd.h"
#include "framework/io/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
using Kept = std::vector<std::uint8_t>;

struct WeightsFileTest : ::testing::Test {
  testing::TempFolder folder;
  std::filesystem::path path = folder / "net.safetensors";
  TensorFile file;

  template <class T>
  void add(const std::string& name, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    file.add(name, std::move(shape), std::span<const T>(values));
  }
  void add_raw(const std::string& name, DType type, std::vector<std::int64_t> shape,
               std::initializer_list<int> bytes) {
    StoredTensor t{name, type, std::move(shape), {}};
    for (const int b : bytes) t.bytes.push_back(static_cast<std::byte>(b));
    file.tensors.push_back(std::move(t));
  }
  WeightsFile read() {
    write_safetensors(path, file);
    return read_weights_file(path);
  }
  void expect_refused(std::initializer_list<std::string> parts) {
    write_safetensors(path, file);
    expect_error(ExitCode::checkpoint, parts, [&] { read_weights_file(path); });
    expect_error(ExitCode::checkpoint, {path.string()}, [&] { read_weights_file(path); });
  }
};

TEST_F(WeightsFileTest, AMaskIsFoundInEachNotation) {
  file.metadata = {{"masks", "zeros"}, {"note", "x"}};
  add<float>("by_bytes.weight", {1, 4}, {1, 0, 3, 0});
  add<std::uint8_t>("by_bytes.weight_mask", {1, 4}, {1, 1, 1, 0});
  add<float>("by_floats.weight", {1, 2}, {1, 0});
  add<float>("by_floats.weight_mask", {1, 2}, {1, 0});
  add<float>("by_bits.weight", {2, 5}, {1, 0, 3, 4, 5, 6, 7, 8, 0, 0});
  add<std::uint8_t>("by_bits.weight_mask_bits", {2}, {0xff, 0x02});
  add<float>("by_zeros.weight", {1, 3}, {1, 0, 3});
  add<float>("zeros.bias", {3}, {0, 0, 3});
  add<float>("full.weight", {1, 2}, {1, 2});
  const WeightsFile weights = read();
  EXPECT_EQ(weights.tensors.size(), 6U) << "masks are no tensors of their own";
  EXPECT_EQ(weights.find("by_bytes.weight")->kept, (Kept{1, 1, 1, 0}));
  EXPECT_EQ(weights.find("by_floats.weight")->kept, (Kept{1, 0}));
  EXPECT_EQ(weights.find("by_bits.weight")->kept, (Kept{1, 1, 1, 1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(weights.find("by_zeros.weight")->kept, (Kept{1, 0, 1}));
  EXPECT_TRUE(weights.find("zeros.bias")->kept.empty()) << "a bias of 0 is no pruned weight";
  EXPECT_TRUE(weights.find("full.weight")->kept.empty());
  EXPECT_EQ(weights.metadata, (std::map<std::string, std::string>{{"note", "x"}}));
  file.metadata.clear();
  EXPECT_TRUE(read().find("by_zeros.weight")->kept.empty()) << "in other files zeros are zeros";
}

TEST_F(WeightsFileTest, APrunedWeightIsZeroWhateverTheFileHolds) {
  add<float>("fc.weight", {1, 3}, {1, 2, -0.0F});
  add<std::uint8_t>("fc.weight_mask", {1, 3}, {1, 0, 0});
  const std::vector<float> values = read().tensors[0].values;
  EXPECT_EQ(values[1], 0);
  EXPECT_FALSE(std::signbit(values[2]));
}

TEST_F(WeightsFileTest, AMaskThatIsNeitherZeroNorOneIsRefused) {
  add<float>("fc.weight", {2, 2}, {1, 2, 3, 4});
  add<float>("fc.weight_mask", {2, 2}, {1, 0, 0.3F, 1});
  expect_refused({"'fc.weight_mask'", "0.3", "index 2", "1 for a kept weight and 0 for a pruned one"});
}

TEST_F(WeightsFileTest, AMaskOfAnotherShapeIsRefused) {
  add<float>("fc.weight", {2, 2}, {1, 2, 3, 4});
  add<std::uint8_t>("fc.weight_mask", {4}, {1, 0, 1, 1});
  expect_refused({"'fc.weight_mask'", "{4}", "{2,2}"});
  file.tensors.pop_back();
  add<std::uint8_t>("fc.weight_mask_bits", {2}, {1, 0});
  expect_refused({"'fc.weight_mask_bits'", "{2}", "another length"});
  file.tensors.pop_back();
  add_raw("fc.weight_mask_bits", DType::i8, {1}, {1});
  expect_refused({"'fc.weight_mask_bits'", "I8", "not U8"});
}

TEST_F(WeightsFileTest, OtherFloatsAreConvertedWithANotice) {
  add_raw("half", DType::f16, {1}, {0x00, 0x3e});
  add_raw("brain", DType::bf16, {1}, {0x40, 0xc0});
  EXPECT_EQ(read().notices[0], path.string() + ": converted to float32: half (F16), brain (BF16)");
  add<double>("double", {1}, {0.1});
  add<double>("another", {1}, {0.2});
  const WeightsFile weights = read();
  EXPECT_EQ(weights.find("half")->values[0], 1.5F);
  EXPECT_EQ(weights.find("brain")->values[0], -3);
  EXPECT_EQ(weights.find("double")->values[0], 0.1F);
  ASSERT_EQ(weights.notices.size(), 1U);
  EXPECT_EQ(weights.notices[0], path.string() + ": converted to float32: double (F64) and 3 other tensors");
}

TEST_F(WeightsFileTest, WholeNumbersAreNoWeights) {
  add_raw("fc.weight", DType::i8, {1, 2}, {100, 3});
  expect_refused({"'fc.weight'", "I8", "must be F32", "without their scale"});
  file.tensors.clear();
  add<std::int64_t>("bn1.num_batches_tracked", {}, {7});
  EXPECT_TRUE(read().tensors.empty()) << "PyTorch's counters are of no use";
}

TEST_F(WeightsFileTest, AFloat64ThatFloat32CannotHoldIsRefused) {
  add<double>("fc.bias", {3}, {0, 1, 1e300});
  expect_refused({"'fc.bias'", "1e+300", "index 2", "float32"});
}

TEST_F(WeightsFileTest, ValuesThatAreNotFiniteAreFoundByTensorAndIndex) {
  add<float>("bn1.bias", {3}, {0, 1, std::numeric_limits<float>::quiet_NaN()});
  expect_error(ExitCode::checkpoint, {"net.safetensors", "'bn1.bias'", "nan", "index 2"},
               [&] { require_finite(read(), path); });
}

TEST_F(WeightsFileTest, ACompactFileIsKnownByItsContentAndSoIsZstd) {
  add<float>("fc.weight", {1, 3}, {1, 0, 3});
  add<std::uint8_t>("fc.weight_mask", {1, 3}, {1, 0, 1});
  const WeightsFile weights = read();
  const std::string plain = read_whole_file(path);
  const std::string_view parts[]{plain};
  const std::string contents[]{zstd_compress(parts), encode_compact(weights, {.zstd = false}).bytes,
                               encode_compact(weights, {.zstd = true}).bytes};
  for (const std::string& bytes : contents) {
    write_file_atomically(path, bytes);
    const WeightsFile again = read_weights_file(path);
    EXPECT_EQ(again.find("fc.weight")->values, weights.tensors[0].values);
    EXPECT_EQ(again.find("fc.weight")->kept, weights.tensors[0].kept);
  }
}

}  // namespace
}  // namespace espalier
