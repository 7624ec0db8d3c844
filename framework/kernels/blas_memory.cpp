#include "framework/kernels/blas_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <vector>

#include "framework/core/check.h"
#include "framework/core/memory.h"

// OpenBLAS's own allocator: exported, in no header of its. Weak: another BLAS has none, and needs none.
extern "C" {
void* blas_memory_alloc(int) __attribute__((weak));
void blas_memory_free(void*) __attribute__((weak));
}

namespace espalier::kernels {

void claim_blas_buffers(int threads) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  if (!blas_memory_alloc || !blas_memory_free) return;
  constexpr std::size_t buffer = std::size_t{128} << 20, rest = std::size_t{64} << 20;
  const std::size_t needed = static_cast<std::size_t>(threads) * buffer + rest;
  // Whether there is room is found out by taking it: what other parts of the process hold counts too.
  void* const room = ::mmap(nullptr, needed, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    fail(
        ExitCode::memory,
        "ulimit -v leaves {:.0f} MB of address space; {} thread(s) need {:.0f} MB before any data; raise it, "
        "or use fewer --threads",
        static_cast<double>(available_address_space()) / 1e6, threads, static_cast<double>(needed) / 1e6);
  ::munmap(room, needed);
  std::vector<void*> buffers;  // all at once, then given back: OpenBLAS keeps them for later
  for (int i = 0; i < threads; ++i) buffers.push_back(blas_memory_alloc(0));
  for (void* b : buffers) blas_memory_free(b);
}

}  // namespace espalier::kernels
