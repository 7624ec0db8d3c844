// file_kind.h: what a file is, told from its first bytes and not from its name, so that a loader can say
// "this is a Git LFS pointer, run git lfs pull" where it would otherwise speak of a header length of
// 578712552184433488.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace espalier {

enum class FileKind {
  empty,
  safetensors,
  onnx,
  npy,
  npz,           ///< a zip archive whose first entry is a .npy file
  torch_zip,     ///< a PyTorch file since version 1.6: a zip archive with a data.pkl
  torch_legacy,  ///< a PyTorch file before 1.6: pickles one after the other
  pickle,        ///< any other Python pickle of protocol 2 or later
  zip,
  tar,
  gzip,
  bzip2,
  xz,
  zstd,
  git_lfs,
  html,
  xml,
  json,
  png,
  jpeg,
  gif,
  bmp,
  webp,
  pdf,
  hdf5,
  gguf,
  tflite,
  elf,
  utf16,  ///< text in UTF-16 or UTF-32, by its byte order mark
  text,   ///< printable ASCII or UTF-8, nothing more special
  unknown
};

/// Bytes of a file's beginning that are enough to tell.
constexpr std::size_t file_kind_bytes = 512;

/// What a file that begins with `head` is. `head` may be all of the file or its first file_kind_bytes.
FileKind kind_of_bytes(std::string_view head);
/// The same for a file; `unknown` if it cannot be read (opening it for real says why).
FileKind kind_of_file(const std::filesystem::path& path);

/// "a Git LFS pointer", "a gzip file", ...; "a file of an unknown format".
std::string_view name_of(FileKind kind);

/// What to do about it, as the end of a sentence: "run \"git lfs pull\" where it came from"; empty if there
/// is nothing to say that holds everywhere.
std::string_view advice_for(FileKind kind);

/// "this is a Git LFS pointer, not the file itself; run ...": for a loader that expected `wanted` ("an ONNX
/// model") and found something it cannot read. Nothing if the kind is unknown: then the loader's own message
/// says more.
std::optional<std::string> foreign_file(FileKind kind, std::string_view wanted);

}  // namespace espalier
