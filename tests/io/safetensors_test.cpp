// The safetensors format: what is written is read back bit for bit, by us and by an independent reader, and
// no damaged file gets through or brings the program down.
#include "framework/io/safetensors.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "framework/core/random.h"
#include "framework/io/atomic_file.h"
#include "tests/support/arrays.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;

TensorFile example() {
  TensorFile file;
  file.metadata = {{"format", "pt"}, {"note", "a \"quoted\" line\nand another, µ"}};
  const std::vector<std::uint8_t> mask{1, 0, 1};  // an odd number of bytes before the next tensor
  file.add("conv1.weight_mask", {3}, std::span<const std::uint8_t>(mask));
  const std::vector<float> weights{1.5F, -2, 0, 1e-45F, 3.25F, -0.0F};
  file.add("conv1.weight", {2, 3}, std::span<const float>(weights));
  const std::vector<double> scalar{0.1};
  file.add("learning rate", {}, std::span<const double>(scalar));
  file.add("empty", {0, 4}, std::span<const float>());
  const std::vector<std::int64_t> steps{-7};
  file.add("steps", {1}, std::span<const std::int64_t>(steps));
  return file;
}

/// A file with `header` and `data_bytes` zeros.
std::string raw_file(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string contents(sizeof length, '\0');
  std::memcpy(contents.data(), &length, sizeof length);
  return contents + header + std::string(data_bytes, '\0');
}

void expect_refused(const std::string& contents, const std::string& part) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "bad.safetensors";
  write_file_atomically(path, contents);
  SCOPED_TRACE(part);
  expect_error(ExitCode::checkpoint, {path.string(), part}, [&] { read_safetensors(path); });
}

TEST(Safetensors, WhatIsWrittenIsReadBackBitForBit) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const TensorFile written = example();
  write_safetensors(path, written);
  const TensorFile read = read_safetensors(path);
  EXPECT_EQ(read.metadata, written.metadata);
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const StoredTensor& t : written.tensors) {
    const StoredTensor* found = read.find(t.name);
    ASSERT_NE(found, nullptr) << t.name;
    EXPECT_EQ(found->dtype, t.dtype);
    EXPECT_EQ(found->shape, t.shape);
    EXPECT_EQ(found->bytes, t.bytes);
  }
  EXPECT_EQ(read.find("conv2.weight"), nullptr);
}

TEST(Safetensors, AFileWithoutTensorsIsValid) {
  const testing::TempFolder folder;
  write_safetensors(folder.path() / "a", {});
  EXPECT_TRUE(read_safetensors(folder.path() / "a").tensors.empty());
}

TEST(Safetensors, DataBeginAtAMultipleOfEightAndWideValuesComeFirst) {
  const testing::TempFolder folder;
  write_safetensors(folder.path() / "a", example());
  const std::string contents = read_whole_file(folder.path() / "a");
  std::uint64_t header = 0;
  std::memcpy(&header, contents.data(), sizeof header);
  EXPECT_EQ(header % 8, 0U);
  std::size_t previous = 8;
  for (const StoredTensor& t : read_safetensors(folder.path() / "a").tensors) {
    EXPECT_LE(size_of(t.dtype), previous) << t.name;
    previous = size_of(t.dtype);
  }
}

TEST(Safetensors, EveryDtypeIsConvertedToItsValue) {
  const auto stored = [](DType type, std::initializer_list<int> bytes) {
    StoredTensor t{"t", type, {1}, {}};
    for (const int b : bytes) t.bytes.push_back(static_cast<std::byte>(b));
    return to_doubles(t).at(0);
  };
  // Byte patterns from the definitions of the formats (IEEE 754; bfloat16 is the upper half of a float).
  EXPECT_EQ(stored(DType::boolean, {1}), 1);
  EXPECT_EQ(stored(DType::u8, {0xff}), 255);
  EXPECT_EQ(stored(DType::i8, {0xff}), -1);
  EXPECT_EQ(stored(DType::u16, {0x00, 0x80}), 32768);
  EXPECT_EQ(stored(DType::i16, {0x00, 0x80}), -32768);
  EXPECT_EQ(stored(DType::f16, {0x00, 0x3e}), 1.5);
  EXPECT_EQ(stored(DType::f16, {0x01, 0x80}), -std::ldexp(1.0, -24)) << "the smallest subnormal";
  EXPECT_EQ(stored(DType::f16, {0xff, 0x7b}), 65504) << "the largest finite value";
  EXPECT_TRUE(std::isinf(stored(DType::f16, {0x00, 0x7c})));
  EXPECT_TRUE(std::isnan(stored(DType::f16, {0x01, 0x7c})));
  EXPECT_EQ(stored(DType::bf16, {0x40, 0xc0}), -3);
  EXPECT_EQ(stored(DType::u32, {0xff, 0xff, 0xff, 0xff}), 4294967295.0);
  EXPECT_EQ(stored(DType::i32, {0xff, 0xff, 0xff, 0xff}), -1);
  EXPECT_EQ(stored(DType::f32, {0x00, 0x00, 0xc0, 0x3f}), 1.5);
  EXPECT_EQ(stored(DType::u64, {0, 0, 0, 0, 0, 1, 0, 0}), std::ldexp(1.0, 40));
  EXPECT_EQ(stored(DType::i64, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), -2);
  EXPECT_EQ(stored(DType::f64, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}), 1.5);
}

TEST(Safetensors, ADamagedHeaderIsRefusedWithItsReason) {
  expect_refused("", "this is an empty file");
  expect_refused("abc", "this is a plain text, where a safetensors file is expected");
  expect_refused(std::string("\x80\0\1", 3), "needs at least 8");
  expect_refused(std::string(8, '\xff'), "header length");
  expect_refused(raw_file("{}", 0).substr(0, 9), "header length");
  expect_refused(raw_file("", 0), "no JSON");
  expect_refused(raw_file("{\"a\":", 0), "no JSON");
  expect_refused(raw_file("{\"\xff\":1}", 0), "no JSON");
  expect_refused(raw_file(std::string(1000, '['), 0), "more than 8 deep");
  expect_refused(raw_file("[1]", 0), "no JSON object");
  expect_refused(raw_file(R"({"__metadata__":[]})", 0), "__metadata__");
  expect_refused(raw_file(R"({"__metadata__":{"a":1}})", 0), "__metadata__ 'a'");
}

TEST(Safetensors, ADamagedEntryIsRefusedByName) {
  const auto with = [](const std::string& entry, std::size_t bytes) {
    return raw_file("{\"fc1\":" + entry + "}", bytes);
  };
  expect_refused(with("3", 0), "'fc1' is not described by");
  expect_refused(with(R"({"dtype":"F32","shape":[1]})", 4), "'fc1' is not described by");
  expect_refused(with(R"({"dtype":"F31","shape":[1],"data_offsets":[0,4]})", 4), "unknown dtype 'F31'");
  expect_refused(with(R"({"dtype":7,"shape":[1],"data_offsets":[0,4]})", 4), "dtype must be a string");
  expect_refused(with(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), "shape holds -1");
  expect_refused(with(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", 4), "shape holds 1.0");
  expect_refused(with(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})", 4),
                 "no whole number");
  expect_refused(with(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
                 "overflows");
  expect_refused(with(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4), "do not hold the 8 bytes");
  expect_refused(with(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4), "do not hold the 4 bytes");
  expect_refused(with(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})", 4), "two numbers");
  expect_refused(with(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 4), "truncated");
  expect_refused(with(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 7),
                 "3 bytes follow the last tensor");
  expect_refused(with(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})", 4),
                 "\"dtype\" is given twice");
}

TEST(Safetensors, NestingThatWouldOverflowTheStackIsRefused) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  expect_refused(raw_file(R"({"fc1":{"dtype":"F32","data_offsets":[0,0],"shape":[)" + deep + "]}}", 0),
                 "more than 8 deep");
}

TEST(Safetensors, TensorsThatOverlapLeaveGapsOrShareANameAreRefused) {
  const auto two = [](const std::string& name, int begin, int end, std::size_t bytes) {
    return raw_file(fmt::format(R"({{"a":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}},)"
                                R"("{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                                name, end - begin, begin, end),
                    bytes);
  };
  expect_refused(two("b", 2, 6, 6), "'b' overlaps");
  expect_refused(two("b", 0, 4, 4), "overlaps");
  expect_refused(two("b", 6, 8, 8), "bytes 4 to 6 of the data, before tensor 'b'");
  expect_refused(two("a", 4, 8, 8), "the key \"a\" is given twice");
}

TEST(Safetensors, AMissingFileIsNamed) {
  expect_error(ExitCode::checkpoint, {"/no/such/file", "No such file"},
               [] { read_safetensors("/no/such/file"); });
}

TEST(Safetensors, OurOwnMistakesAreNotWritten) {
  const testing::TempFolder folder;
  TensorFile wrong_size, twice;
  wrong_size.add("a", {2}, std::span<const double>());
  twice.add("a", {0}, std::span<const double>());
  twice.add("a", {0}, std::span<const double>());
  expect_error(ExitCode::internal, {"'a'"}, [&] { write_safetensors(folder.path() / "x", wrong_size); });
  expect_error(ExitCode::internal, {"'a'", "twice"}, [&] { write_safetensors(folder.path() / "x", twice); });
}

// There is no checksum in the format: a changed value or name goes unseen. What must hold is that a damaged
// file either reads as a consistent file or gives Error(checkpoint);
// the address sanitizer build sees to the rest.
TEST(Safetensors, RandomDamageNeverBringsTheReaderDown) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "fuzz.safetensors";
  write_safetensors(path, example());
  const std::string whole = read_whole_file(path);
  const auto read_damaged = [&](const std::string& contents) {
    std::filesystem::remove(path);  // to truncate it would make the file system flush it, 2 ms each time
    FileHandle(path, O_WRONLY | O_CREAT, ExitCode::io).write(contents);
    try {
      for (const StoredTensor& t : read_safetensors(path).tensors) {
        std::size_t bytes = size_of(t.dtype);
        for (const std::int64_t e : t.shape) bytes *= static_cast<std::size_t>(e);
        EXPECT_EQ(t.bytes.size(), bytes);
      }
      return true;
    } catch (const Error& e) {
      EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(ExitCode::checkpoint)) << e.what();
      return false;
    }
  };
  EXPECT_TRUE(read_damaged(whole));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(read_damaged(whole.substr(0, length))) << "truncated to " << length << " bytes";
  Random random(1, Random::Use::test);
  for (int trial = 0; trial < 3000; ++trial) {
    std::string damaged = whole;
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
      damaged[random.below(damaged.size())] ^= static_cast<char>(1 << random.below(8));
    if (random.below(4) == 0) damaged.resize(random.below(damaged.size() + 16));
    read_damaged(damaged);
  }
}

// Fifteen lines that share nothing with our reader but the description of the format.
TEST(Safetensors, AnIndependentReaderSeesTheSame) {
  if (std::system("/usr/bin/python3 -c '' 2> /dev/null") != 0) GTEST_SKIP() << "no /usr/bin/python3";
  const testing::TempFolder folder;
  write_safetensors(folder.path() / "a.safetensors", example());
  write_file_atomically(folder.path() / "read.py", R"(
import json, struct, sys
data = open(sys.argv[1], 'rb').read()
n = struct.unpack('<Q', data[:8])[0]
header, body = json.loads(data[8:8 + n]), data[8 + n:]
assert header.pop('__metadata__') == {'format': 'pt', 'note': 'a "quoted" line\nand another, \u00b5'}
def get(name, dtype, shape, code):
    t = header.pop(name)
    assert t['dtype'] == dtype and t['shape'] == shape, (name, t)
    a, b = t['data_offsets']
    return list(struct.unpack('<%d%s' % ((b - a) // struct.calcsize(code), code), body[a:b]))
assert get('conv1.weight_mask', 'U8', [3], 'B') == [1, 0, 1]
assert get('conv1.weight', 'F32', [2, 3], 'f')[:3] == [1.5, -2.0, 0.0]
assert get('learning rate', 'F64', [], 'd') == [0.1]
assert get('empty', 'F32', [0, 4], 'f') == []
assert get('steps', 'I64', [1], 'q') == [-7]
assert header == {}
)");
  const std::string command =
      fmt::format("/usr/bin/python3 {0}/read.py {0}/a.safetensors", folder.path().string());
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(Safetensors, ThePublishedCheckpointsAreRead) {
  const char* shared = std::getenv("ESPALIER_SHARED");
  if (!shared) GTEST_SKIP() << "ESPALIER_SHARED is not set";
  const std::filesystem::path folder = std::filesystem::path(shared) / "data" / "checkpoints";
  struct Published {
    const char* name;
    std::size_t tensors, trainable;
  };
  for (const Published& p : {Published{"mlpnet_mnist.safetensors", 3, 32'360},
                             Published{"resnet20_cifar10.safetensors", 107, 272'474}}) {
    const TensorFile file = read_safetensors(folder / p.name);
    EXPECT_EQ(file.tensors.size(), p.tensors);
    std::size_t trainable = 0;
    for (const StoredTensor& t : file.tensors)
      if (t.name.find("running_") == std::string::npos) trainable += to_floats(t).size();
    EXPECT_EQ(trainable, p.trainable) << p.name;
  }
}

}  // namespace
}  // namespace espalier
