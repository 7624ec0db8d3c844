#include "framework/io/npz.h"

#include <zlib.h>

#include <bit>
#include <cstdint>

#include "framework/io/atomic_file.h"

namespace espalier {
namespace {

static_assert(std::endian::native == std::endian::little, "values are written as they lie in memory");

constexpr std::uint64_t zip_limit = 0xffffffff;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// The head of a .npy file, format 1.0: magic, length, a Python dictionary, padded to a multiple of 64 bytes.
std::string npy_head(const NpyArray& array) {
  std::string shape;
  for (const Index extent : array.shape) shape += fmt::format("{}, ", extent);
  std::string dictionary = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape);
  constexpr std::size_t fixed = 10;
  while ((fixed + dictionary.size() + 1) % 64 != 0) dictionary += ' ';
  dictionary += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  put(head, dictionary.size(), 2);
  return head + dictionary;
}

/// CRC-32 of head and values; zlib takes lengths of 32 bits.
std::uint32_t checksum(const std::string& head, const std::vector<float>& values) {
  auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(head.data()), static_cast<uInt>(head.size()));
  const auto* bytes = reinterpret_cast<const Bytef*>(values.data());
  constexpr std::size_t piece = std::size_t{1} << 30;
  for (std::size_t at = 0, end = values.size() * sizeof(float); at < end; at += piece)
    crc = ::crc32(crc, bytes + at, static_cast<uInt>(std::min(piece, end - at)));
  return static_cast<std::uint32_t>(crc);
}

}  // namespace

void write_npy(const std::filesystem::path& path, const NpyArray& array) {
  AtomicFile file(path);
  file.write(npy_head(array));
  file.write(array.values.data(), array.values.size() * sizeof(float));
  file.commit();
}

void write_npz(const std::filesystem::path& path, std::span<const NpyArray> arrays) {
  AtomicFile file(path);
  std::string directory;
  std::uint64_t offset = 0;
  for (const NpyArray& array : arrays) {
    Index count = 1;
    for (const Index extent : array.shape) count *= extent;
    require(count == static_cast<Index>(array.values.size()), "[npz] {}: {} values for a shape of {}",
            array.name, array.values.size(), count);
    const std::string name = array.name + ".npy", head = npy_head(array);
    const std::uint64_t size = head.size() + array.values.size() * sizeof(float);
    if (offset + size + directory.size() + 4096 > zip_limit)
      fail(ExitCode::io,
           "{}: \"{}\" would take the archive beyond 4 GiB, the "
           "limit of the format; write fewer or smaller matrices",
           path.string(), array.name);
    // What the local header and the central directory have in common: version 2.0, stored, 1980-01-01.
    std::string common;
    for (const std::uint64_t field : {20, 0, 0, 0, 0x21}) put(common, field, 2);
    put(common, checksum(head, array.values), 4);
    put(common, size, 4);
    put(common, size, 4);
    put(common, name.size(), 2);
    put(common, 0, 2);
    std::string local("PK\x03\x04", 4);
    local += common + name;
    directory += std::string("PK\x01\x02", 4);
    put(directory, 20, 2);
    directory += common;
    for (const int bytes : {2, 2, 2, 4}) put(directory, 0, bytes);  // comment, disk, attributes
    put(directory, offset, 4);
    directory += name;
    file.write(local);
    file.write(head);
    file.write(array.values.data(), array.values.size() * sizeof(float));
    offset += local.size() + size;
  }
  std::string end("PK\x05\x06", 4);
  put(end, 0, 4);
  for (int i = 0; i < 2; ++i) put(end, arrays.size(), 2);
  put(end, directory.size(), 4);
  put(end, offset, 4);
  put(end, 0, 2);
  file.write(directory);
  file.write(end);
  file.commit();
}

}  // namespace espalier
