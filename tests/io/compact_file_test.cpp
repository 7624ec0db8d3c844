// Compact files: what is pruned takes no room, what is kept comes back bit for bit, and no damaged file gets
// through.
#include "framework/io/compact/compact_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "framework/core/random.h"
#include "framework/io/atomic_file.h"
#include "framework/io/compact/compact_layout.h"
#include "framework/io/compact/float16.h"
#include "framework/io/compact/positions.h"
#include "framework/io/compact/zstd.h"
#include "tests/support/expect_error.h"
#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;

std::uint32_t bits(float v) { return std::bit_cast<std::uint32_t>(v); }

/// Weights as trained ones are distributed, of which a share `sparsity` is pruned at random.
NamedWeights random_weights(const std::string& name, std::vector<std::int64_t> shape, double sparsity,
                            std::uint64_t seed) {
  Random random(seed, Random::Use::test);
  NamedWeights t{name, std::move(shape), {}, {}};
  std::size_t size = 1;
  for (const std::int64_t e : t.shape) size *= static_cast<std::size_t>(e);
  for (std::size_t i = 0; i < size; ++i) {
    t.kept.push_back(random.uniform() >= sparsity);
    t.values.push_back(t.kept.back() ? 0.05F * static_cast<float>(random.normal()) : 0.0F);
  }
  if (sparsity == 0) t.kept.clear();
  return t;
}

void expect_same_bits(const WeightsFile& a, const WeightsFile& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const NamedWeights& t : a.tensors) {
    const NamedWeights* other = b.find(t.name);
    ASSERT_NE(other, nullptr) << t.name;
    EXPECT_EQ(other->shape, t.shape) << t.name;
    EXPECT_EQ(other->kept, t.kept) << t.name;
    ASSERT_EQ(other->values.size(), t.values.size()) << t.name;
    for (std::size_t i = 0; i < t.values.size(); ++i)
      ASSERT_EQ(bits(other->values[i]), bits(t.values[i])) << t.name << "[" << i << "]";
  }
}

WeightsFile decode(const std::string& bytes) {
  const std::string plain = is_zstd(bytes) ? zstd_decompress(bytes, "net") : bytes;
  return decode_compact(parse_safetensors(plain, "net"), "net");
}

const CompactTensor& entry(const CompactFile& file, const std::string& name) {
  for (const CompactTensor& t : file.tensors)
    if (t.name == name) return t;
  throw std::runtime_error("no tensor " + name);
}

/// A little of everything: every notation, and the values that are easily lost.
WeightsFile example() {
  WeightsFile weights;
  weights.metadata = {{"model", "\"cifarnet\""}, {"note", "µ"}};
  weights.tensors.push_back(random_weights("conv1.weight", {4, 3, 3, 3}, 0.5, 1));
  weights.tensors.push_back(random_weights("conv2.weight", {8, 4, 5, 5}, 0.97, 2));
  weights.tensors.push_back(random_weights("fc.weight", {5, 20}, 0, 3));
  weights.tensors.push_back(
      {"edge.weight", {1, 6}, {0.0F, -0.0F, 0.0F, 1e-45F, 3e38F, 0.0F}, {1, 1, 0, 1, 1, 0}});
  weights.tensors.push_back({"empty.weight", {0, 7}, {}, {}});
  weights.tensors.push_back(
      {"gone.weight", {2, 300}, std::vector<float>(600), std::vector<std::uint8_t>(600)});
  weights.tensors.push_back({"conv1.bias", {4}, {0.1F, -0.2F, 0, 65519}, {}});
  weights.tensors.push_back({"scalar", {}, {7}, {}});
  return weights;
}

TEST(Positions, GapsSkip255PrunedWeightsAtATime) {
  std::vector<std::uint8_t> kept(1000);
  kept[0] = kept[255] = kept[510 + 256] = kept[999] = 1;
  // 0; 254 pruned weights; 510 pruned weights are two skips and 0 more; 232.
  const ByteArray expected{std::byte{0},   std::byte{254}, std::byte{255},
                       std::byte{255}, std::byte{0},   std::byte{232}};
  EXPECT_EQ(gaps_of(kept), expected);
  const char* why = nullptr;
  EXPECT_EQ(kept_of_gaps(expected, kept.size(), why), kept);
  EXPECT_EQ(why, nullptr);
  EXPECT_TRUE(kept_of_gaps(expected, 999, why).empty());
  EXPECT_STREQ(why, "its gaps lead past its last weight");
}

TEST(Positions, BothNotationsComeBackAtEverySizeAndDensity) {
  Random random(1, Random::Use::test);
  for (const std::size_t size : {0, 1, 7, 8, 9, 255, 256, 257, 511, 3000})
    for (const double density : {0.0, 0.003, 0.1, 0.5, 1.0}) {
      std::vector<std::uint8_t> kept(size);
      for (auto& k : kept) k = random.uniform() < density;
      const char* why = nullptr;
      EXPECT_EQ(kept_of_gaps(gaps_of(kept), size, why), kept);
      EXPECT_EQ(kept_of_bitmask(bitmask_of(kept), size, why), kept);
      EXPECT_EQ(why, nullptr);
    }
}

TEST(Positions, ABitmaskHasOneBitForEachWeightAndNoMore) {
  const char* why = nullptr;
  EXPECT_TRUE(kept_of_bitmask(ByteArray(2), 8, why).empty());
  EXPECT_STREQ(why, "its bitmask has another length than one bit for each weight");
  EXPECT_TRUE(kept_of_bitmask(ByteArray{std::byte{0x20}}, 5, why).empty());
  EXPECT_STREQ(why, "its bitmask has bits after its last weight");
}

TEST(Float16, EveryPatternComesBackAndEveryFloatGoesToTheNearest) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const float value = from_float16(static_cast<std::uint16_t>(h));
    if (!std::isnan(value)) {
      ASSERT_EQ(to_float16(value), h);
    }
  }
  EXPECT_TRUE(std::isnan(from_float16(to_float16(NAN))));
  EXPECT_EQ(to_float16(65519.9F), 0x7bff);
  EXPECT_EQ(to_float16(65520), 0x7c00) << "halfway to 65536, which is no float16";
  EXPECT_EQ(to_float16(0x1p-25F), 0) << "a tie goes to the even neighbour";
  EXPECT_EQ(to_float16(0x1.8p-24F), 2) << "and so does this one";
  EXPECT_EQ(to_float16(1 + 0x1p-11F), 0x3c00);
  EXPECT_EQ(to_float16(1 + 0x1.8p-10F), 0x3c02);
  EXPECT_EQ(to_float16(-0.0F), 0x8000);
  Random random(1, Random::Use::test);
  for (int trial = 0; trial < 20000; ++trial) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random.below(0x47000000)));
    const std::uint16_t h = to_float16(value);
    for (const int step : {-1, 1}) {
      const auto neighbour = static_cast<std::uint16_t>(h + step);
      if (h + step < 0 || neighbour >= 0x7c00) continue;
      ASSERT_LE(std::fabs(from_float16(h) - value), std::fabs(from_float16(neighbour) - value)) << value;
    }
  }
}

TEST(CompactFile, Float32ComesBackBitForBit) {
  for (const bool zstd : {false, true}) {
    const WeightsFile weights = example();
    expect_same_bits(weights, decode(encode_compact(weights, {.zstd = zstd}).bytes));
  }
}

TEST(CompactFile, EachTensorTakesTheShortestNotation) {
  WeightsFile weights = example();
  weights.tensors.push_back(random_weights("a few.weight", {10, 100}, 0.004, 4));
  const CompactFile file = encode_compact(weights, {});
  EXPECT_EQ(entry(file, "conv1.weight").code, PositionCode::bitmask);
  EXPECT_EQ(entry(file, "conv2.weight").code, PositionCode::gaps);
  EXPECT_EQ(entry(file, "fc.weight").code, PositionCode::dense);
  EXPECT_EQ(entry(file, "gone.weight").position_bytes + entry(file, "gone.weight").value_bytes, 0U);
  // Five zeros among a thousand values: writing them is shorter than saying where they are.
  EXPECT_EQ(entry(file, "a few.weight").code, PositionCode::zeros);
  EXPECT_EQ(entry(file, "a few.weight").value_bytes, 4000U);
}

TEST(CompactFile, ZerosWithoutAMaskTakeNoRoomAndAreNotTakenForPruned) {
  WeightsFile weights;
  weights.tensors.push_back(random_weights("conv.weight", {10, 100}, 0.95, 1));
  weights.tensors[0].kept.clear();
  weights.tensors[0].values[3] = -0.0F;  // not +0, so it is stored
  const CompactFile file = encode_compact(weights, {});
  EXPECT_EQ(file.tensors[0].code, PositionCode::gaps);
  expect_same_bits(weights, decode(file.bytes));
}

TEST(CompactFile, Float16AndInt8KeepMasksAndStayWithinTheirStep) {
  WeightsFile weights;
  weights.tensors.push_back(random_weights("conv.weight", {16, 8, 3, 3}, 0.9, 1));
  weights.tensors.push_back(random_weights("dense.weight", {16, 30}, 0, 2));
  for (float& v : weights.tensors[1].values) v *= 1e-6F;  // before a batch norm any size is as good
  weights.tensors.push_back({"bn.running_var", {3}, {0.5F, 2, 1e-7F}, {}});
  for (const ValueType type : {ValueType::float16, ValueType::int8}) {
    const CompactFile file = encode_compact(weights, {.values = type});
    const WeightsFile read = decode(file.bytes);
    EXPECT_EQ(entry(file, "conv.weight").type, type);
    EXPECT_EQ(read.tensors[0].kept, weights.tensors[0].kept);
    // float16 holds 1e-6 to two digits only, and 1e-7 to one: these tensors stay what they were.
    EXPECT_EQ(entry(file, "dense.weight").type, type == ValueType::int8 ? type : ValueType::float32);
    EXPECT_EQ(entry(file, "bn.running_var").type, ValueType::float32);
    for (const int which : {0, 1}) {
      const NamedWeights& t = weights.tensors[static_cast<std::size_t>(which)];
      const std::size_t channel = t.values.size() / 16;
      for (std::size_t o = 0; o < 16; ++o) {
        float most = 0;
        for (std::size_t i = 0; i < channel; ++i) most = std::max(most, std::fabs(t.values[o * channel + i]));
        // A scale is rounded up by at most 2^-7; half a step is the largest error.
        const float allowed =
            type == ValueType::int8 ? most / 127 * (1 + 0x1p-7F) / 2 * 1.001F : most * 0x1p-11F;
        for (std::size_t i = o * channel; i < (o + 1) * channel; ++i)
          ASSERT_NEAR(read.find(t.name)->values[i], t.values[i], allowed) << t.name << "[" << i << "]";
      }
    }
  }
}

TEST(CompactFile, AKeptWeightThatInt8RoundsToZeroStaysKept) {
  WeightsFile weights;
  weights.tensors.push_back({"fc.weight", {1, 4}, {1, 1e-5F, 0, -1}, {1, 1, 0, 1}});
  const WeightsFile read = decode(encode_compact(weights, {.values = ValueType::int8}).bytes);
  EXPECT_EQ(read.tensors[0].kept, weights.tensors[0].kept);
  EXPECT_EQ(read.tensors[0].values[1], 0);
}

TEST(CompactFile, APrunedWeightThatIsNotZeroIsOurOwnMistake) {
  WeightsFile weights;
  weights.tensors.push_back({"fc.weight", {1, 2}, {1, 2}, {1, 0}});
  expect_error(ExitCode::internal, {"fc.weight[1]"}, [&] { encode_compact(weights, {}); });
}

// The bound: positions of k of n weights drawn at random take log2(n over k) bits, about n H(k/n), and each
// value the bits of its type. With zstd a file stays within 5 % of it, the header with the network's
// description included: sign and exponent of trained weights take fewer bits than they occupy, and pay for
// the rest.
TEST(CompactFile, SizesStayWithinFivePercentOfTheEntropyBoundFrom50To99Percent) {
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes{
      {"conv1.weight", {32, 1, 5, 5}},
      {"conv2.weight", {32, 32, 5, 5}},
      {"conv3.weight", {64, 32, 5, 5}},
      {"fc1.weight", {64, 576}},
      {"fc2.weight", {10, 64}},
      {"conv1.bias", {32}},
      {"conv2.bias", {32}},
      {"conv3.bias", {64}},
      {"fc1.bias", {64}},
      {"fc2.bias", {10}}};
  for (const double sparsity : {0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99})
    for (const ValueType type : {ValueType::float32, ValueType::float16, ValueType::int8}) {
      WeightsFile weights;
      weights.metadata = {{"model", "\"cifarnet\""}, {"image", "[32,32,1]"}, {"classes", "10"}};
      for (const auto& [name, shape] : shapes)
        weights.tensors.push_back(
            random_weights(name, shape, shape.size() < 2 ? 0 : sparsity, weights.tensors.size()));
      const CompactFile file = encode_compact(weights, {.values = type});
      double bound = 0;
      for (const CompactTensor& t : file.tensors) bound += t.bound;
      EXPECT_LE(static_cast<double>(file.bytes.size()), 1.05 * bound) << name_of(type) << " at " << sparsity;
      RecordProperty(fmt::format("{} at {}", name_of(type), sparsity),
                     fmt::format("{:.3f}", static_cast<double>(file.bytes.size()) / bound));
    }
}

// What a checksum lets through is what somebody wrote so: each rule behind it has its own message.
TEST(CompactFile, AFileThatContradictsItselfIsRefusedWithItsReason) {
  using nlohmann::json;
  const TensorFile honest = parse_safetensors(encode_compact(example(), {.zstd = false}).bytes, "net");
  const auto refused = [&](const std::string& part,
                           const std::function<void(TensorFile&, json & table)>& change) {
    TensorFile file = honest;
    json table = json::parse(file.metadata.at("tensors"));
    change(file, table);
    file.metadata["tensors"] = table.dump();
    file.metadata["crc32"] = compact_layout::checksum(file);
    SCOPED_TRACE(part);
    expect_error(ExitCode::checkpoint, {"net: ", part}, [&] { decode_compact(file, "net"); });
  };
  const auto array = [](TensorFile& file, const std::string& name) -> StoredTensor& {
    return *std::find_if(file.tensors.begin(), file.tensors.end(), [&](auto& t) { return t.name == name; });
  };
  // Rows: conv1 (bitmask), conv2 (gaps), fc (dense), edge (bitmask), empty, gone (gaps), bias, scalar.
  refused("of version 2", [](TensorFile& file, json&) { file.metadata["compact"] = "2"; });
  refused("3 to 6 elements", [](TensorFile&, json& table) { table[0] = {"conv1.weight"}; });
  refused("begin with a string", [](TensorFile&, json& table) { table[0][0] = 1; });
  refused("whole numbers", [](TensorFile&, json& table) { table[0][1][0] = -4; });
  refused("more than 2^48", [](TensorFile&, json& table) { table[0][1] = {1U << 30, 1U << 30, 1U << 30}; });
  refused("f4, f2 or i1", [](TensorFile&, json& table) { table[0][2] = "f8"; });
  refused("i1 is for matrices", [](TensorFile&, json& table) { table[6][2] = "i1"; });
  refused("zeros, gaps or bitmask", [](TensorFile&, json& table) { table[0][3] = "list"; });
  refused("have a number of bytes", [](TensorFile&, json& table) { table[0].erase(4); });
  refused("can only be unmasked", [](TensorFile&, json& table) { table[0].push_back("masked"); });
  refused("zeros have no positions", [](TensorFile&, json& table) { table[0][3] = "zeros"; });
  refused("another length", [](TensorFile&, json& table) { table[0][1][0] = 5; });
  refused("past its last weight", [](TensorFile&, json& table) { table[1][1] = {8, 4, 1, 5}; });
  refused("occurs twice", [](TensorFile&, json& table) { table[4] = {"fc.weight", {0, 7}, "f4"}; });
  refused("belong to no tensor", [](TensorFile&, json& table) { table.erase(7); });
  refused("more bytes of the array 'f4'", [](TensorFile&, json& table) { table[7][1] = {1000}; });
  refused("more bytes of the array 'gaps'", [](TensorFile&, json& table) { table[1][4] = 1000; });
  refused("does not know", [&](TensorFile& file, json&) { array(file, "gaps").name = "gasps"; });
  refused("and not U8", [&](TensorFile& file, json&) { array(file, "gaps").dtype = DType::i8; });
  refused("4 plane(s)", [&](TensorFile& file, json&) {
    std::swap(array(file, "f4").shape[0], array(file, "f4").shape[1]);
  });
  TensorFile file = honest;
  file.metadata["note"] = "another";
  expect_error(ExitCode::checkpoint, {"net: ", "checksum"}, [&] { decode_compact(file, "net"); });
  file.metadata.erase("crc32");
  expect_error(ExitCode::checkpoint, {"net: ", "no 'crc32'"}, [&] { decode_compact(file, "net"); });
}

TEST(CompactFile, EveryFlippedByteAndEveryTruncationIsAnErrorOrChangesNothing) {
  WeightsFile weights = example();
  weights.tensors.erase(weights.tensors.begin() + 1);  // smaller: every one of its bytes is tried 9 times
  for (const bool zstd : {false, true}) {
    const std::string whole = encode_compact(weights, {.zstd = zstd}).bytes;
    const auto try_to_read = [&](const std::string& bytes, const std::string& what) {
      SCOPED_TRACE(what);
      try {
        expect_same_bits(weights, decode(bytes));
        return true;
      } catch (const Error& e) {
        EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(ExitCode::checkpoint)) << e.what();
        EXPECT_NE(std::string(e.what()).find("net: "), std::string::npos) << e.what();
        return false;
      }
    };
    EXPECT_TRUE(try_to_read(whole, "whole"));
    for (std::size_t length = 0; length < whole.size(); ++length)
      EXPECT_FALSE(try_to_read(whole.substr(0, length), fmt::format("truncated to {}", length)));
    EXPECT_FALSE(try_to_read(whole + '\0', "one byte more"));
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        try_to_read(damaged, fmt::format("byte {} of {}, xor {}", at, whole.size(), flip));
        if (HasFailure()) return;
      }
  }
}

TEST(CompactFile, ZstdRefusesWhatIsNoFrame) {
  const std::string whole = encode_compact(example(), {}).bytes;
  expect_error(ExitCode::checkpoint, {"net.zst", "in the middle"},
               [&] { zstd_decompress(whole.substr(0, 200), "net.zst"); });
  expect_error(ExitCode::checkpoint, {"net.zst", "3 bytes follow its end"},
               [&] { zstd_decompress(whole + "abc", "net.zst"); });
  expect_error(ExitCode::checkpoint, {"net.zst", "not a valid zstd file"},
               [&] { zstd_decompress("\x28\xb5\x2f\xfd what follows is no frame", "net.zst"); });
}

// The reader that the README documents, run on what we write.
TEST(CompactFile, TheDocumentedPythonReaderSeesTheSame) {
  if (std::system("/usr/bin/python3 -c 'import numpy' 2> /dev/null") != 0)
    GTEST_SKIP() << "no /usr/bin/python3 with numpy";
  const testing::TempFolder folder;
  const std::string readme = read_whole_file(ESPALIER_SOURCE_DIR "/framework/io/compact/README.md");
  const std::size_t begin = readme.find("```python\n") + 10;
  const std::string reader = readme.substr(begin, readme.find("```", begin) - begin);
  write_file_atomically(folder / "read.py", reader + R"(
import sys
expected = {}
for line in open(sys.argv[2]):
    t = json.loads(line)
    expected[t['name']] = np.array(t['bits'], 'u4').view('f4').reshape(t['shape'])
found = read_compact(sys.argv[1])
assert found.keys() == expected.keys(), (found.keys(), expected.keys())
for name, w in expected.items():
    assert found[name].dtype == 'f4' and found[name].shape == w.shape, name
    assert (found[name] + 0.0).tobytes() == (w + 0.0).tobytes(), name
)");
  for (const ValueType type : {ValueType::float32, ValueType::float16, ValueType::int8}) {
    const std::string bytes = encode_compact(example(), {.values = type, .zstd = false}).bytes;
    write_file_atomically(folder / "net", bytes);
    std::string lines;
    for (const NamedWeights& t : decode(bytes).tensors) {
      nlohmann::json line{{"name", t.name}, {"shape", t.shape}, {"bits", nlohmann::json::array()}};
      for (const float v : t.values) line["bits"].push_back(bits(v));
      lines += line.dump() + "\n";
    }
    write_file_atomically(folder / "expected", lines);
    const std::string command =
        fmt::format("/usr/bin/python3 {0}/read.py {0}/net {0}/expected", folder.str());
    EXPECT_EQ(std::system(command.c_str()), 0) << name_of(type);
  }
}

}  // namespace
}  // namespace espalier
