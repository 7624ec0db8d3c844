#include "framework/io/file_kind.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace espalier {
namespace {

using namespace std::string_view_literals;

struct Known {
  FileKind kind;
  std::string_view name, advice;
};

constexpr std::string_view unpack = "unpack it and name the file inside";
constexpr std::string_view picture = "pictures belong into the folders of an image_folder data set";
constexpr std::string_view as_utf8 = "save it as UTF-8";
constexpr std::string_view download =
    "a server answered with a page where a file was wanted; download it again";

constexpr std::array<Known, 31> all{{
    {FileKind::empty, "an empty file", "copy or download it again"},
    {FileKind::safetensors, "a safetensors file", ""},
    {FileKind::onnx, "an ONNX model", ""},
    {FileKind::npy, "a NumPy array (.npy)", ""},
    {FileKind::npz, "a NumPy archive (.npz)", ""},
    {FileKind::torch_zip, "a PyTorch file (.pt, .pth)", ""},
    {FileKind::torch_legacy, "a PyTorch file of before version 1.6 (.pt, .pth)", ""},
    {FileKind::pickle, "a Python pickle", "save its tensors by torch.save, numpy.savez or safetensors"},
    {FileKind::zip, "a zip archive", unpack},
    {FileKind::tar, "a tar archive", unpack},
    {FileKind::gzip, "a gzip file", unpack},
    {FileKind::bzip2, "a bzip2 file", unpack},
    {FileKind::xz, "an xz file", unpack},
    {FileKind::zstd, "a Zstandard file", unpack},
    {FileKind::git_lfs, "a Git LFS pointer, which only stands for the file",
     "run \"git lfs pull\" in the repository it came from"},
    {FileKind::html, "an HTML page", download},
    {FileKind::xml, "an XML document", download},
    {FileKind::json, "a JSON text", ""},
    {FileKind::png, "a PNG picture", picture},
    {FileKind::jpeg, "a JPEG picture", picture},
    {FileKind::gif, "a GIF picture", picture},
    {FileKind::bmp, "a BMP picture", picture},
    {FileKind::webp, "a WebP picture", picture},
    {FileKind::pdf, "a PDF document", ""},
    {FileKind::hdf5, "an HDF5 file, such as Keras writes", "save the weights by numpy.savez or export ONNX"},
    {FileKind::gguf, "a GGUF file", ""},
    {FileKind::tflite, "a TensorFlow Lite model", "export it as ONNX (tf2onnx)"},
    {FileKind::elf, "a program or library (ELF)", ""},
    {FileKind::utf16, "a text in UTF-16 or UTF-32", as_utf8},
    {FileKind::text, "a plain text", ""},
    {FileKind::unknown, "a file of an unknown format", ""},
}};

const Known& known(FileKind kind) {
  return *std::find_if(all.begin(), all.end(), [&](const Known& k) { return k.kind == kind; });
}

struct Magic {
  std::size_t at;
  std::string_view bytes;
  FileKind kind;
};
constexpr std::array<Magic, 22> magics{{
    {0, "\x93NUMPY"sv, FileKind::npy},
    {0, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."sv,
     FileKind::torch_legacy},  // its magic number, pickled
    {0, "\x1f\x8b"sv, FileKind::gzip},
    {0, "BZh"sv, FileKind::bzip2},
    {0, "\xfd\x37zXZ\0"sv, FileKind::xz},
    {0, "\x28\xb5\x2f\xfd"sv, FileKind::zstd},
    {0, "version https://git-lfs"sv, FileKind::git_lfs},
    {0, "\x89PNG\r\n\x1a\n"sv, FileKind::png},
    {0, "\xff\xd8\xff"sv, FileKind::jpeg},
    {0, "GIF8"sv, FileKind::gif},
    {8, "WEBP"sv, FileKind::webp},
    {0, "%PDF-"sv, FileKind::pdf},
    {0, "\x89HDF\r\n\x1a\n"sv, FileKind::hdf5},
    {0, "GGUF"sv, FileKind::gguf},
    {4, "TFL3"sv, FileKind::tflite},
    {0,
     "\x7f"
     "ELF"sv,
     FileKind::elf},
    {257, "ustar"sv, FileKind::tar},
    {0, "\xff\xfe"sv, FileKind::utf16},
    {0, "\xfe\xff"sv, FileKind::utf16},
    {0, "\0\0\xfe\xff"sv, FileKind::utf16},
    {0, "{\0"sv, FileKind::utf16},  // without a byte order mark, as PowerShell's "-Encoding" can leave it
    {0, "\0{"sv, FileKind::utf16},
}};

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

FileKind kind_of_zip(std::string_view head) {
  if (head.size() < 30) return FileKind::zip;
  const auto length = static_cast<std::size_t>(little_endian(head.substr(26, 2)));
  const std::string_view name = head.substr(30, length);
  if (name.ends_with(".npy")) return FileKind::npz;
  // torch.save writes <name>/data.pkl first, torch.jit.save and later versions one of the others.
  for (const std::string_view first :
       {"/data.pkl", "/version", "/byteorder", "/constants.pkl", "/.format_version"})
    if (name.ends_with(first)) return FileKind::torch_zip;
  return FileKind::zip;
}

/// ir_version (field 1) is a small number and comes first; then another field that a ModelProto has.
bool looks_like_onnx(std::string_view head) {
  if (head.size() < 4 || head[0] != 0x08 || head[1] < 1 || head[1] > 63) return false;
  const auto tag = static_cast<std::uint8_t>(head[2]);
  const int field = tag >> 3, wire = tag & 7;
  return (wire == 2 && (field == 2 || field == 3 || field == 4 || field == 6 || field == 7 || field == 8)) ||
         (wire == 0 && field == 5);
}

FileKind kind_of_text(std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  if (std::any_of(head.begin(), head.end(), [](char c) {
        const auto byte = static_cast<std::uint8_t>(c);
        return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f') || byte == 0x7f;
      }))
    return FileKind::unknown;
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  std::string lower(head.substr(0, 32));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.starts_with("<head"))
    return FileKind::html;
  if (lower.starts_with("<?xml")) return FileKind::xml;
  if (lower.starts_with("{") || lower.starts_with("[")) return FileKind::json;
  return FileKind::text;
}

}  // namespace

FileKind kind_of_bytes(std::string_view head) {
  if (head.empty()) return FileKind::empty;
  for (const Magic& m : magics)
    if (head.size() > m.at && head.substr(m.at).starts_with(m.bytes)) return m.kind;
  if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06")) return kind_of_zip(head);
  if (head.size() > 8 && head[8] == '{' && little_endian(head.substr(0, 8)) <= 100'000'000)
    return FileKind::safetensors;
  if (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return FileKind::pickle;
  if (looks_like_onnx(head)) return FileKind::onnx;
  if (head.size() > 6 && head.starts_with("BM") && little_endian(head.substr(6, 4)) == 0)
    return FileKind::bmp;
  return kind_of_text(head);
}

FileKind kind_of_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return FileKind::unknown;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FileKind::unknown;
  std::array<char, file_kind_bytes> head{};
  const ssize_t n = ::read(file, head.data(), head.size());
  ::close(file);
  return n < 0 ? FileKind::unknown : kind_of_bytes(std::string_view(head.data(), n));
}

std::string_view name_of(FileKind kind) { return known(kind).name; }
std::string_view advice_for(FileKind kind) { return known(kind).advice; }

std::optional<std::string> foreign_file(FileKind kind, std::string_view wanted) {
  if (kind == FileKind::unknown) return std::nullopt;
  const std::string_view advice = advice_for(kind);
  return fmt::format("this is {}, where {} is expected{}{}", name_of(kind), wanted,
                     advice.empty() ? "" : "; ", advice);
}

}  // namespace espalier
