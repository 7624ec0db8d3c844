// positions.h: which weights of a pruned tensor are kept, in two notations. ByteArray of gaps: the number of
// pruned weights before each kept one, where 255 stands for 255 pruned weights with no kept one after them. A
// bitmask: eight weights to a byte, the first in its lowest bit. Gaps are shorter from about 87.5 % sparsity
// on, where fewer than one weight in eight is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace espalier {

using ByteArray = std::vector<std::byte>;

/// `kept` holds 1 for a kept weight and 0 for a pruned one, row by row.
ByteArray gaps_of(std::span<const std::uint8_t> kept);
ByteArray bitmask_of(std::span<const std::uint8_t> kept);

/// The inverse, for `size` weights. Empty vector and `why` set if the bytes cannot have been written for so
/// many: a gap that leads past the last weight, a mask of another length or with bits after the last weight.
std::vector<std::uint8_t> kept_of_gaps(std::span<const std::byte> gaps, std::size_t size, const char*& why);
std::vector<std::uint8_t> kept_of_bitmask(std::span<const std::byte> mask, std::size_t size,
                                          const char*& why);

}  // namespace espalier
