// levels.cpp: which of the compiled levels runs.
#include "framework/kernels/levels.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "framework/core/check.h"

namespace espalier::kernels {
namespace baseline {
extern const Level table;
}
#ifdef ESPALIER_X86_LEVELS
namespace avx2 {
extern const Level table;
}
namespace avx512 {
extern const Level table;
}
#endif

namespace {

std::atomic<const Level*> chosen{nullptr};

const Level& choose() {
  if (const char* name = std::getenv("ESPALIER_CPU"); name && *name) {
    const Level* found = find_level(name);
    if (!found)
      fail(
          ExitCode::usage,
          "ESPALIER_CPU={}: not a level of this CPU and build; use one of baseline, avx2, avx512 or unset it",
          name);
    return *found;
  }
  for (const char* name : {"avx512", "avx2"})
    if (const Level* found = find_level(name)) return *found;
  return baseline::table;
}

}  // namespace

const Level* find_level(const char* name) {
  const std::string_view wanted(name);
  if (wanted == "baseline") return &baseline::table;
#ifdef ESPALIER_X86_LEVELS
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  if (wanted == "avx2" && has_avx2) return &avx2::table;
  if (wanted == "avx512" && has_avx2 && has_avx512) return &avx512::table;
#endif
  return nullptr;
}

const Level& level() {
  const Level* now = chosen.load(std::memory_order_relaxed);
  if (!now) [[unlikely]] {
    now = &choose();
    chosen.store(now, std::memory_order_relaxed);
  }
  return *now;
}

void set_level(const Level& wanted) { chosen.store(&wanted, std::memory_order_relaxed); }

}  // namespace espalier::kernels
