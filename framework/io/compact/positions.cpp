#include "framework/io/compact/positions.h"

namespace espalier {
namespace {

constexpr std::size_t skip = 255;  // as a byte of gaps: so many pruned weights and no kept one

}  // namespace

ByteArray gaps_of(std::span<const std::uint8_t> kept) {
  ByteArray gaps;
  std::size_t pruned = 0;
  for (const std::uint8_t k : kept) {
    if (!k) {
      ++pruned;
      continue;
    }
    for (; pruned >= skip; pruned -= skip) gaps.push_back(std::byte{skip});
    gaps.push_back(static_cast<std::byte>(pruned));
    pruned = 0;
  }
  return gaps;  // pruned weights after the last kept one need no byte
}

ByteArray bitmask_of(std::span<const std::uint8_t> kept) {
  ByteArray mask((kept.size() + 7) / 8);
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept[i]) mask[i / 8] |= std::byte{1} << (i % 8);
  return mask;
}

std::vector<std::uint8_t> kept_of_gaps(std::span<const std::byte> gaps, std::size_t size, const char*& why) {
  std::vector<std::uint8_t> kept(size);
  std::size_t at = 0;
  for (const std::byte gap : gaps) {
    const auto pruned = static_cast<std::size_t>(gap);
    if (pruned > size - at || (pruned < skip && pruned == size - at)) {
      why = "its gaps lead past its last weight";
      return {};
    }
    at += pruned;
    if (pruned < skip) kept[at++] = 1;
  }
  return kept;
}

std::vector<std::uint8_t> kept_of_bitmask(std::span<const std::byte> mask, std::size_t size,
                                          const char*& why) {
  if (mask.size() != (size + 7) / 8) {
    why = "its bitmask has another length than one bit for each weight";
    return {};
  }
  if (size % 8 != 0 && std::to_integer<unsigned>(mask.back()) >> (size % 8) != 0) {
    why = "its bitmask has bits after its last weight";
    return {};
  }
  std::vector<std::uint8_t> kept(size);
  for (std::size_t i = 0; i < size; ++i) kept[i] = (std::to_integer<unsigned>(mask[i / 8]) >> (i % 8)) & 1;
  return kept;
}

}  // namespace espalier
