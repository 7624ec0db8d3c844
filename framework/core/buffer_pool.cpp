#include "framework/core/buffer_pool.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "framework/core/memory.h"
#include "framework/core/spin.h"

namespace espalier {
namespace {

// Size classes: powers of two, each cut into four, so that at most a quarter of a buffer is wasted.
std::size_t round_up(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 64);
  const std::size_t step = std::max<std::size_t>(std::bit_floor(bytes - 1) / 4, 64);
  return (bytes + step - 1) / step * step;
}
std::size_t class_of(std::size_t rounded) {
  const auto log = static_cast<std::size_t>(std::bit_width(rounded - 1));
  const std::size_t low = std::size_t{1} << (log - 1);
  return log * 4 + (rounded - 1 - low) / std::max<std::size_t>(low / 4, 1);
}

constexpr std::size_t classes = 64 * 4 + 4;
constexpr std::size_t large = std::size_t{256} << 20;  // bytes from which asking the system first pays

struct Pool {
  /// Working memory of one size class inside chunks.
  struct Workspace {
    std::vector<void*> free;
    int held = 0, depth = 0;  // depth: most that one thread has had at once
  };
  SpinLock guard;
  std::vector<std::vector<void*>> free = std::vector<std::vector<void*>>(classes);
  std::vector<Workspace> workspaces = std::vector<Workspace>(classes);
  PoolStatistics statistics;
};
thread_local int chunk_depth[classes] = {};

Pool& pool() {
  static auto* p = new Pool;  // never destroyed: tensors of static objects may outlive main()
  return *p;
}

void poison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef ESPALIER_POISON
  std::memset(memory, 0xff, bytes);  // all ones is a NaN in float32 and float64
#endif
}

void* from_system(std::size_t rounded) {
  if (rounded >= large) require_memory(static_cast<double>(rounded), "a buffer of one tensor");
  void* memory = std::aligned_alloc(64, (rounded + 63) / 64 * 64);
  if (!memory) throw std::bad_alloc();
  poison(memory, rounded);
  return memory;
}

}  // namespace

void* pool_allocate(std::size_t bytes) {
  const std::size_t rounded = round_up(bytes);
  Pool& p = pool();
  {
    const std::lock_guard lock(p.guard);
    auto& list = p.free[class_of(rounded)];
    if (!list.empty()) {
      void* memory = list.back();
      list.pop_back();
      poison(memory, rounded);
      return memory;
    }
    ++p.statistics.system_allocations;
    p.statistics.bytes_held += rounded;
    list.reserve(list.capacity() + 1);  // so that freeing never allocates
  }
  return from_system(rounded);
}

void* chunk_allocate(std::size_t bytes, int threads) {
  const std::size_t rounded = round_up(bytes), of = class_of(rounded);
  Pool& p = pool();
  const std::lock_guard lock(p.guard);
  Pool::Workspace& w = p.workspaces[of];
  w.depth = std::max(w.depth, chunk_depth[of] + 1);
  while (w.free.empty() || w.held < w.depth * threads) {
    w.free.reserve(static_cast<std::size_t>(w.held) + 1);  // so that freeing never allocates
    w.free.push_back(from_system(rounded));
    ++w.held;
    ++p.statistics.system_allocations;
    p.statistics.bytes_held += rounded;
  }
  ++chunk_depth[of];
  void* memory = w.free.back();
  w.free.pop_back();
  poison(memory, rounded);
  return memory;
}

void chunk_free(void* memory, std::size_t bytes) noexcept {
  const std::size_t of = class_of(round_up(bytes));
  Pool& p = pool();
  const std::lock_guard lock(p.guard);
  --chunk_depth[of];
  p.workspaces[of].free.push_back(memory);
}

void pool_free(void* memory, std::size_t bytes) noexcept {
  Pool& p = pool();
  const std::lock_guard lock(p.guard);
  p.free[class_of(round_up(bytes))].push_back(memory);
}

PoolStatistics pool_statistics() {
  Pool& p = pool();
  const std::lock_guard lock(p.guard);
  return p.statistics;
}

}  // namespace espalier
