// PyTorch's files: what PyTorch 1.13 wrote (files/, by make_files.py) is read bit for bit without PyTorch,
// whatever form it has and wherever in it the tensors are; and no damaged file gets through or brings the
// program down.
#include "framework/interchange/torch_checkpoint.h"

#include <gtest/gtest.h>

#include "framework/io/atomic_file.h"
#include "paths.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
using namespace std::string_literals;
namespace fs = std::filesystem;

fs::path file(const std::string& name) {
  return fs::path(ESPALIER_SOURCE_DIR) / "tests/interchange/files" / name;
}

std::vector<double> values(const ReadTensors& read, const std::string& name) {
  const StoredTensor* found = read.file.find(name);
  if (!found) {
    ADD_FAILURE() << "no tensor '" << name << "'";
    return {};
  }
  return to_doubles(*found);
}

ReadTensors read_named(const fs::path& path) {
  ReadTensors read = read_torch(path);
  bring_to_our_names(read);
  return read;
}

/// start, start + 1/8, ...
std::vector<double> counted(double start, int count) {
  std::vector<double> v(count);
  for (int i = 0; i < count; ++i) v[i] = start + i / 8.0;
  return v;
}

void expect_state(const ReadTensors& read) {
  EXPECT_EQ(values(read, "conv1.weight"), counted(1, 24));
  EXPECT_EQ(read.file.find("conv1.weight")->shape, (std::vector<std::int64_t>{2, 3, 2, 2}));
  EXPECT_EQ(values(read, "conv1.bias"), counted(2, 2));
  EXPECT_EQ(values(read, "bn1.running_var"), counted(3, 2));
  EXPECT_EQ(values(read, "bn1.num_batches_tracked"), std::vector<double>{7});
  EXPECT_TRUE(read.file.find("bn1.num_batches_tracked")->shape.empty()) << "a scalar";
  // A transposed view: its rows are the columns of what is stored.
  EXPECT_EQ(values(read, "fc.weight"),
            (std::vector<double>{4, 4.25, 4.5, 4.75, 5, 5.25, 4.125, 4.375, 4.625, 4.875, 5.125, 5.375}));
  EXPECT_EQ(values(read, "fc.bias"), counted(5.25, 2)) << "a view that begins at the third value";
  EXPECT_EQ(values(read, "half"), counted(6, 3));
  EXPECT_EQ(read.file.find("half")->dtype, DType::f16);
  EXPECT_EQ(values(read, "brain"), (std::vector<double>{7, 7.125, 7.25}));
  EXPECT_EQ(values(read, "mask"), (std::vector<double>{1, 0}));
  EXPECT_EQ(read.file.find("empty")->shape, (std::vector<std::int64_t>{0, 3}));
  EXPECT_EQ(read.file.tensors.size(), 10U);
}

bool says(const ReadTensors& read, const std::string& part) {
  for (const std::string& n : read.notices)
    if (n.find(part) != std::string::npos) return true;
  return false;
}

TEST(TorchCheckpoint, AStateDictIsReadInBothForms) {
  for (const char* name : {"state.pt", "state_legacy.pt"}) {
    SCOPED_TRACE(name);
    const ReadTensors read = read_named(file(name));
    expect_state(read);
  }
}

TEST(TorchCheckpoint, InACheckpointOfATrainingTheStateDictIsFoundAndThePrefixTakenOff) {
  const ReadTensors read = read_named(file("checkpoint_legacy.pt"));
  expect_state(read);
  EXPECT_TRUE(says(read, "under 'state_dict' (the file has epoch, best, state_dict, optimizer)"));
  EXPECT_TRUE(says(read, "'module.'"));
}

TEST(TorchCheckpoint, AWholeModuleYieldsItsTensorsWithoutItsClass) {
  const ReadTensors read = read_named(file("module.pt"));
  EXPECT_EQ(values(read, "features.0.weight"), counted(1, 2));
  EXPECT_EQ(values(read, "fc.weight"), counted(2, 6));
  EXPECT_EQ(values(read, "features.1.running_var"), (std::vector<double>{1, 1}));
  EXPECT_EQ(read.file.tensors.size(), 9U) << "2 of the convolution, 5 of batch norm, 2 of the linear layer";
}

TEST(TorchCheckpoint, WeightsOfTorchsPruningAreMaskedWeights) {
  const ReadTensors read = read_named(file("pruned.pt"));
  EXPECT_EQ(values(read, "fc.weight"), counted(2, 6));
  EXPECT_EQ(values(read, "fc.weight_mask"), (std::vector<double>{1, 0, 0, 1, 1, 1}));
  EXPECT_EQ(read.file.find("fc.weight_orig"), nullptr);
  EXPECT_TRUE(says(read, "1 tensors of torch.nn.utils.prune"));
}

TEST(TorchCheckpoint, AsWeightsOfANetworkTheyAreFloatsWithMasks) {
  const WeightsFile pruned = read_weights(file("pruned.pt"));
  EXPECT_EQ(pruned.find("fc.weight")->kept, (std::vector<std::uint8_t>{1, 0, 0, 1, 1, 1}));
  EXPECT_EQ(pruned.find("fc.weight")->values, (std::vector<float>{2, 0, 0, 2.375F, 2.5F, 2.625F}));
  EXPECT_EQ(pruned.find("fc.weight_mask"), nullptr);
  const WeightsFile arrays = read_weights(file("floats.npz"));
  EXPECT_EQ(arrays.find("fc.weight")->values, (std::vector<float>{0, 1, 2, 3, 4, 5}));
  ASSERT_EQ(arrays.notices.size(), 1U) << "float64 is converted, and it is said";
  EXPECT_NE(arrays.notices[0].find("fc.bias (F64)"), std::string::npos);
}

TEST(TorchCheckpoint, NoDamageBringsItDown) {
  const testing::TempFolder folder;
  for (const char* name : {"state.pt", "state_legacy.pt"}) {
    SCOPED_TRACE(name);
    testing::expect_no_damage_brings_it_down(read_whole_file(file(name)), ExitCode::checkpoint,
                                             [&](const std::string& contents) {
                                               folder.write_text("a.pt", contents);
                                               read_torch(folder / "a.pt");
                                             });
  }
}

/// A legacy file around the pickle of an object, with one storage "0" of four floats.
std::string legacy(const std::string& object) {
  const std::string magic = read_whole_file(file("state_legacy.pt")).substr(0, 15);
  return magic + "\x80\x02M\xe9\x03."s + "\x80\x02}."s + object + "\x80\x02]U\x01"s + "0a."s +
         "\4\0\0\0\0\0\0\0"s + std::string(16, '\0');
}

/// {"w": torch._utils._rebuild_tensor_v2(storage "0" of four floats, offset, (size,), (stride,))}, by
/// opcodes.
std::string tensor(int offset, int size, int stride, const std::string& type = "torch\nFloatStorage\n") {
  const auto small = [](int v) { return std::string{'K', static_cast<char>(v)}; };
  return "\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagec"s + type + "U\x01"s + "0U\x03"s +
         "cpuK\x04tQ"s + small(offset) + small(size) + "\x85"s + small(stride) + "\x85\x89NtRs."s;
}

TEST(TorchCheckpoint, ATensorMayNotLeaveItsStorage) {
  const testing::TempFolder folder;
  const auto read = [&](const std::string& object) {
    folder.write_text("a.pt", legacy(object));
    return read_torch(folder / "a.pt");
  };
  EXPECT_EQ(values(read(tensor(0, 4, 1)), "w").size(), 4U);
  EXPECT_EQ(values(read(tensor(1, 2, 2)), "w").size(), 2U) << "values 1 and 3";
  EXPECT_EQ(values(read(tensor(3, 9, 0)), "w").size(), 9U) << "one value, repeated";
  expect_error(ExitCode::checkpoint, {"a.pt", "'w'", "leaves its storage '0' of 4 values"},
               [&] { read(tensor(1, 4, 1)); });
  expect_error(ExitCode::checkpoint, {"'w'", "leaves its storage"}, [&] { read(tensor(0, 2, 4)); });
  expect_error(ExitCode::checkpoint, {"'nt Evil'"}, [&] { read(tensor(0, 4, 1, "nt\nEvil\n")); });
}

TEST(TorchCheckpoint, APickleThatWouldRunACommandRunsNothing) {
  const testing::TempFolder folder;
  const fs::path trace = folder / "trace";
  // os.system("touch trace") in the place of a tensor: a name and an argument, nothing else.
  const std::string command = "touch " + trace.string();
  std::string object = "\x80\x02}(U\x01"s + "ecos\nsystem\nX"s;
  object += static_cast<char>(command.size());
  object += "\0\0\0"s + command + "\x85R";
  const std::string w = tensor(0, 4, 1);
  object += w.substr(3, w.size() - 5) + "u.";
  folder.write_text("a.pt", legacy(object));
  const ReadTensors read = read_torch(folder / "a.pt");
  EXPECT_EQ(read.file.tensors.size(), 1U);
  EXPECT_FALSE(fs::exists(trace));
}

TEST(TorchCheckpoint, ObjectsInsideThemselvesEndInAnError) {
  const testing::TempFolder folder;
  folder.write_text("a.pt", legacy("\x80\x02}q\0U\x01"s + "ah\0s"s + tensor(0, 4, 1).substr(3)));
  expect_error(ExitCode::checkpoint, {"more than 64 deep"}, [&] { read_torch(folder / "a.pt"); });
}

TEST(TorchCheckpoint, AFileOfAnotherKindIsCalledByItsName) {
  const testing::TempFolder folder;
  folder.write_text("a.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
  expect_error(ExitCode::checkpoint, {"a.pt", "Git LFS pointer", "git lfs pull"},
               [&] { read_weights(folder / "a.pt"); });
  folder.write_text("a.pt", "<!DOCTYPE html>\n<html><body>Not found</body></html>");
  expect_error(ExitCode::checkpoint, {"HTML page", "download it again"},
               [&] { read_weights(folder / "a.pt"); });
  expect_error(ExitCode::checkpoint, {"/no/such", "No such file"}, [&] { read_weights("/no/such"); });
}

}  // namespace
}  // namespace espalier
