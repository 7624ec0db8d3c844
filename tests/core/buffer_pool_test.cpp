// buffer_pool_test.cpp: memory that is recycled must be big enough, aligned and nobody else's.
#include "framework/core/buffer_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "framework/core/random.h"

namespace espalier::test {
namespace {

struct Block {
  unsigned char* memory;
  std::size_t bytes;
  unsigned char mark;
};
bool untouched(const Block& b) {
  return std::all_of(b.memory, b.memory + b.bytes, [&](unsigned char c) { return c == b.mark; });
}
/// Sizes of every order of magnitude, with the edges of size classes among them.
std::size_t some_size(Random& random) {
  const auto power = std::size_t{1} << random.below(17);
  switch (random.below(4)) {
    case 0:
      return power;
    case 1:
      return power + 1;
    case 2:
      return power - 1;
    default:
      return power + random.below(power);
  }
}

/// Every block is filled to its last byte with a mark of its own; a buffer of a smaller class, or one handed
/// out twice, would spoil a neighbour's mark (and the address sanitizer would see the overrun).
void exercise(std::uint64_t seed, int rounds) {
  Random random(seed, Random::Use::test);
  std::vector<Block> live;
  for (int i = 0; i < rounds; ++i) {
    if (live.size() < 60 && random.uniform() < 0.55) {
      const std::size_t bytes = some_size(random);
      auto* memory = static_cast<unsigned char*>(pool_allocate(bytes));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0U) << bytes;
      const auto mark = static_cast<unsigned char>(random.below(256));
      std::memset(memory, mark, bytes);
      live.push_back({memory, bytes, mark});
    } else if (!live.empty()) {
      std::swap(live[random.below(live.size())], live.back());
      ASSERT_TRUE(untouched(live.back())) << "a block of " << live.back().bytes << " bytes was overwritten";
      pool_free(live.back().memory, live.back().bytes);
      live.pop_back();
    }
  }
  for (const Block& b : live) {
    ASSERT_TRUE(untouched(b));
    pool_free(b.memory, b.bytes);
  }
}

TEST(BufferPool, NeverHandsOutTooSmallABuffer) { exercise(1, 6000); }

TEST(BufferPool, IsSafeFromSeveralThreads) {
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) threads.emplace_back([t] { exercise(10 + t, 1500); });
  for (auto& t : threads) t.join();
}

TEST(BufferPool, MemoryFreedOnOneThreadIsReusedOnAnother) {
  void* memory = pool_allocate(123456);
  std::thread([&] { pool_free(memory, 123456); }).join();
  void* again = pool_allocate(123456);
  EXPECT_EQ(again, memory);
  pool_free(again, 123456);
}

TEST(BufferPool, ReusesTheLastFreedFirst) {
  void* a = pool_allocate(50000);
  void* b = pool_allocate(50000);
  pool_free(a, 50000);
  pool_free(b, 50000);
  EXPECT_EQ(pool_allocate(50000), b) << "the one that is still in the cache";
  EXPECT_EQ(pool_allocate(50000), a);
  pool_free(a, 50000);
  pool_free(b, 50000);
}

TEST(BufferPool, AsksTheSystemOncePerBuffer) {
  for (int i = 0; i < 3; ++i) pool_free(pool_allocate(777777), 777777);
  const auto before = pool_statistics();
  for (int i = 0; i < 1000; ++i) pool_free(pool_allocate(777777), 777777);
  const auto after = pool_statistics();
  EXPECT_EQ(after.system_allocations, before.system_allocations);
  EXPECT_EQ(after.bytes_held, before.bytes_held);
}

TEST(BufferPool, WastesAQuarterAtMost) {
  Random random(3, Random::Use::test);
  for (int i = 0; i < 200; ++i) {
    const std::size_t bytes = 4096 + random.below(1 << 20);
    const auto before = pool_statistics();
    void* memory = pool_allocate(bytes);
    const auto after = pool_statistics();
    if (after.system_allocations > before.system_allocations) {
      const std::size_t held = after.bytes_held - before.bytes_held;
      EXPECT_GE(held, bytes);
      EXPECT_LE(held, bytes + bytes / 4 + 64);
    }
    pool_free(memory, bytes);
  }
}

TEST(BufferPool, AllocatorServesStandardContainersAndControlBlocks) {
  std::vector<int, PoolAllocator<int>> v;
  for (int i = 0; i < 10000; ++i) v.push_back(i);
  EXPECT_EQ(v[9999], 9999);
  const auto shared = std::allocate_shared<std::vector<int>>(PoolAllocator<int>(), 5, 7);
  EXPECT_EQ(shared->at(4), 7);
}

}  // namespace
}  // namespace espalier::test
