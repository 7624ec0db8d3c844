// NumPy's files (tests/interchange/files, written by NumPy 1.24) are read bit for bit, in every order and
// packing.
#include <gtest/gtest.h>

#include "framework/io/atomic_file.h"
#include "framework/io/npz.h"
#include "paths.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
namespace fs = std::filesystem;

fs::path file(const std::string& name) {
  return fs::path(ESPALIER_SOURCE_DIR) / "tests/interchange/files" / name;
}

std::vector<double> counted(int count) {
  std::vector<double> v(count);
  for (int i = 0; i < count; ++i) v[i] = i;
  return v;
}

TEST(NpzRead, WhatNumpyWritesIsReadStoredAndDeflated) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    SCOPED_TRACE(name);
    const TensorFile read = read_npz(file(name));
    ASSERT_EQ(read.tensors.size(), 6U);
    EXPECT_EQ(to_doubles(*read.find("a")), counted(6));
    EXPECT_EQ(read.find("a")->shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(to_doubles(*read.find("b")), counted(24)) << "stored column by column";
    EXPECT_EQ(read.find("b")->shape, (std::vector<std::int64_t>{2, 3, 4}));
    EXPECT_EQ(to_doubles(*read.find("c")), (std::vector<double>{1.5, -2}));
    EXPECT_EQ(to_doubles(*read.find("d")), (std::vector<double>{-3, 4}));
    EXPECT_EQ(to_doubles(*read.find("e")), (std::vector<double>{1, 0}));
    EXPECT_EQ(to_doubles(*read.find("s")), (std::vector<double>{2.5}));
    EXPECT_TRUE(read.find("s")->shape.empty());
  }
  EXPECT_EQ(to_doubles(read_npy(file("fortran.npy"))), counted(24));
}

TEST(NpzRead, WhatWeWriteIsReadBack) {
  const testing::TempFolder folder;
  const std::vector<NpyArray> arrays{{"x", {2, 2}, {1, -2, 3, 0.5F}}, {"nothing", {0, 3}, {}}};
  write_npz(folder / "a.npz", arrays);
  const TensorFile read = read_npz(folder / "a.npz");
  EXPECT_EQ(to_floats(*read.find("x")), arrays[0].values);
  EXPECT_EQ(read.find("nothing")->shape, (std::vector<std::int64_t>{0, 3}));
}

TEST(NpzRead, AHeadThatCannotBeReadIsRefusedWithItsReason) {
  const testing::TempFolder folder;
  const auto refuse = [&](const std::string& head, const std::string& part) {
    std::string text("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(head.size());
    text += '\0';
    folder.write_text("a.npy", text + head + std::string(8, '\0'));
    SCOPED_TRACE(head);
    expect_error(ExitCode::checkpoint, {"a.npy", part}, [&] { read_npy(folder / "a.npy"); });
  };
  refuse("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "big-endian");
  refuse("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "pickled Python objects");
  refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "records of several fields");
  refuse("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8' is none of");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "8 bytes follow its head");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "no whole number");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }", "overflows");
  refuse("{'descr': '<f4', 'fortran_order': False}", "lacks one of");
  refuse("{'descr': '<f4', 'descr': '<f4'}", "'descr'");
  refuse("import os", "where '{' should be");
}

TEST(NpzRead, NoDamageBringsItDown) {
  const testing::TempFolder folder;
  for (const char* name : {"stored.npz", "deflated.npz"})
    testing::expect_no_damage_brings_it_down(read_whole_file(file(name)), ExitCode::checkpoint,
                                             [&](const std::string& contents) {
                                               folder.write_text("a.npz", contents);
                                               read_npz(folder / "a.npz");
                                             });
  testing::expect_no_damage_brings_it_down(read_whole_file(file("fortran.npy")), ExitCode::checkpoint,
                                           [&](const std::string& contents) {
                                             folder.write_text("a.npy", contents);
                                             read_npy(folder / "a.npy");
                                           });
}

}  // namespace
}  // namespace espalier
