// .npz files as others read them: Python's zipfile (checksums included) and the documented head of .npy.
#include "framework/io/npz.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "framework/io/atomic_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

const std::vector<NpyArray> arrays{{"hessian", {2, 3}, {1, -2, 3.5f, 0, 1e-30f, 6}},
                                   {"diagonal", {4}, {0.1f, 0.2f, 0.3f, 0.4f}},
                                   {"nothing", {0, 5}, {}}};

TEST(Npz, IsReadByPython) {
  if (std::system("python3 -c 'import zipfile' 2>/dev/null") != 0) GTEST_SKIP() << "no python3 here";
  const testing::TempFolder folder;
  write_npz(folder / "a.npz", arrays);
  std::ofstream(folder / "read.py") << R"(
import ast, struct, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
assert z.namelist() == ["hessian.npy", "diagonal.npy", "nothing.npy"], z.namelist()
def load(name):
    raw = z.read(name)
    assert raw[:8] == b"\x93NUMPY\x01\x00"
    length, = struct.unpack("<H", raw[8:10])
    assert (10 + length) % 64 == 0 and raw[9 + length:10 + length] == b"\n"
    head = ast.literal_eval(raw[10:10 + length].decode())
    assert head["descr"] == "<f4" and head["fortran_order"] is False
    data = raw[10 + length:]
    return head["shape"], list(struct.unpack("<%df" % (len(data) // 4), data))
shape, values = load("hessian.npy")
assert shape == (2, 3) and values[:4] == [1, -2, 3.5, 0] and abs(values[4] / 1e-30 - 1) < 1e-6 and values[5] == 6
shape, values = load("diagonal.npy")
assert shape == (4,) and len(values) == 4
assert load("nothing.npy") == ((0, 5), [])
)";
  EXPECT_EQ(
      std::system(
          fmt::format("python3 {} {}", (folder / "read.py").string(), (folder / "a.npz").string()).c_str()),
      0);
}

TEST(Npz, AShapeThatDoesNotFitIsRefusedAndLeavesNoFile) {
  const testing::TempFolder folder;
  const std::vector<NpyArray> wrong{{"a", {2, 2}, {1, 2, 3}}};
  testing::expect_error(ExitCode::internal, {"a: 3 values", "4"},
                        [&] { write_npz(folder / "a.npz", wrong); });
  EXPECT_FALSE(std::filesystem::exists(folder / "a.npz"));
}

TEST(Npz, AFolderThatIsNotThereIsAnError) {
  const testing::TempFolder folder;
  testing::expect_error(ExitCode::io, {"missing"}, [&] { write_npz(folder / "missing/a.npz", arrays); });
}

}  // namespace
}  // namespace espalier
