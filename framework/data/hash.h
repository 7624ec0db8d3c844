// hash.h: SHA-256, by which a run knows that it sees the data it saw before.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "framework/data/image_set.h"

namespace espalier {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::uint8_t> bytes);
  /// 64 hexadecimal digits, of all bytes added; may be asked once.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Of these bytes, 64 hexadecimal digits.
std::string sha256(std::string_view bytes);

/// Of train's pixels, train's labels (int32, little-endian), then test's. Pictures that lie in files are known by
/// their names and sizes: reading all of them would take as long as an epoch.
std::string hash_images(const ImageSet& train, const ImageSet& test);

}  // namespace espalier
