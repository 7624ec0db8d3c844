// What a file is can be told from its first bytes: the table of what people mistake for something else.
#include "framework/io/file_kind.h"

#include <gtest/gtest.h>

#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;

TEST(FileKind, EveryKindIsToldFromItsFirstBytes) {
  const std::pair<std::string, FileKind> cases[] = {
      {"", FileKind::empty},
      {"\x02\0\0\0\0\0\0\0{}"s, FileKind::safetensors},
      {"\x08\x07\x12\x07pytorch"s, FileKind::onnx},
      {"\x08\x03:\xc5"s, FileKind::onnx},
      {"\x93NUMPY\x01\0v\0"s, FileKind::npy},
      {"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.npy"s, FileKind::npz},
      {"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0e\0\0\0state/data.pkl"s,
       FileKind::torch_zip},
      {"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s, FileKind::zip},
      {"\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."s, FileKind::torch_legacy},
      {"\x80\x04\x95\x10\0\0\0\0\0\0\0"s, FileKind::pickle},
      {"\x1f\x8b\x08\0"s, FileKind::gzip},
      {"BZh91AY&SY"s, FileKind::bzip2},
      {"\xfd\x37zXZ\0\0"s, FileKind::xz},
      {"version https://git-lfs.github.com/spec/v1\n", FileKind::git_lfs},
      {"  \n<!DOCTYPE HTML PUBLIC", FileKind::html},
      {"<?xml version=\"1.0\"?>", FileKind::xml},
      {"{\"model\": 1}", FileKind::json},
      {"\xef\xbb\xbf{\"model\": 1}", FileKind::json},
      {"\x89PNG\r\n\x1a\n\0\0"s, FileKind::png},
      {"\xff\xd8\xff\xe0\0\x10JFIF"s, FileKind::jpeg},
      {"\xff\xfe{\0\n\0"s, FileKind::utf16},
      {"{\0\n\0"s, FileKind::utf16},
      {"\x89HDF\r\n\x1a\n\0"s, FileKind::hdf5},
      {std::string(257, 'a') + "ustar", FileKind::tar},
      {"just words\n", FileKind::text},
      {"\x01\x02\x03\x04"s, FileKind::unknown},
  };
  for (const auto& [head, kind] : cases)
    EXPECT_EQ(kind_of_bytes(head), kind) << head << " is " << name_of(kind);
}

TEST(FileKind, FilesOfOtherProgramsAreKnown) {
  const fs::path files = fs::path(ESPALIER_SOURCE_DIR) / "tests/interchange/files";
  EXPECT_EQ(kind_of_file(files / "state.pt"), FileKind::torch_zip);
  EXPECT_EQ(kind_of_file(files / "state_legacy.pt"), FileKind::torch_legacy);
  EXPECT_EQ(kind_of_file(files / "deflated.npz"), FileKind::npz);
  EXPECT_EQ(kind_of_file(files / "fortran.npy"), FileKind::npy);
  EXPECT_EQ(kind_of_file(files / "not there"), FileKind::unknown);
  EXPECT_EQ(kind_of_file(files), FileKind::unknown) << "a folder";
}

TEST(FileKind, TheMessageSaysWhatItIsAndWhatToDo) {
  EXPECT_EQ(foreign_file(FileKind::gzip, "an ONNX model"),
            "this is a gzip file, where an ONNX model is expected; unpack it and name the file inside");
  EXPECT_EQ(foreign_file(FileKind::gguf, "a checkpoint"),
            "this is a GGUF file, where a checkpoint is expected");
  EXPECT_EQ(foreign_file(FileKind::unknown, "a checkpoint"), std::nullopt);
}

TEST(FileKind, AnyBytesAreAKindWithAName) {
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b)
      for (const std::size_t length : {2, 9, 40, 600}) {
        std::string head(length, '\0');
        head[0] = static_cast<char>(a);
        head[1] = static_cast<char>(b);
        EXPECT_FALSE(name_of(kind_of_bytes(head)).empty());
      }
}

}  // namespace
}  // namespace espalier
