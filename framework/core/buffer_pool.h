// buffer_pool.h: memory that is recycled, never returned. A training step asks for the same sizes every time,
// so after the first step nothing is allocated and no fresh page is touched (fresh pages cost more than
// arithmetic: 2.2 GB/s against 11). Builds with ESPALIER_POISON fill recycled memory with NaN, so a kernel
// that leaves part of its output unwritten is caught by the tests.
#pragma once

#include <cstddef>

namespace espalier {

/// 64-byte aligned memory of at least `bytes`; last freed is reused first. Safe from any thread.
void* pool_allocate(std::size_t bytes);
void pool_free(void* memory, std::size_t bytes) noexcept;

/// The same for working memory inside the chunks of a parallel loop. The first time a thread holds k buffers
/// of a size at once, k for each of `threads` threads are put by: whether chunks ever run at the same moment
/// is up to the scheduler, and a later step must not allocate because they did.
void* chunk_allocate(std::size_t bytes, int threads);
void chunk_free(void* memory, std::size_t bytes) noexcept;

struct PoolStatistics {
  std::size_t system_allocations = 0;  ///< times the pool had to ask the system
  std::size_t bytes_held = 0;          ///< in use or waiting for reuse
};
PoolStatistics pool_statistics();

/// Standard allocator over the pool, for graph nodes and control blocks.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(pool_allocate(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) noexcept { pool_free(p, n * sizeof(T)); }
  bool operator==(const PoolAllocator&) const { return true; }
};

}  // namespace espalier
