// instruction_set.cpp: which of the compiled instruction sets runs.
#include "framework/kernels/instruction_set.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "framework/core/check.h"

namespace espalier::kernels {
namespace baseline {
extern const InstructionSet table;
}
#ifdef ESPALIER_X86_INSTRUCTION_SETS
namespace avx2 {
extern const InstructionSet table;
}
namespace avx512 {
extern const InstructionSet table;
}
#endif

namespace {

std::atomic<const InstructionSet*> chosen{nullptr};

const InstructionSet& choose() {
  if (const char* name = std::getenv("ESPALIER_CPU"); name && *name) {
    const InstructionSet* found = find_instruction_set(name);
    if (!found)
      fail(
          ExitCode::usage,
          "ESPALIER_CPU={}: not an instruction set of this CPU and build; use one of baseline, avx2, avx512 or unset it",
          name);
    return *found;
  }
  for (const char* name : {"avx512", "avx2"})
    if (const InstructionSet* found = find_instruction_set(name)) return *found;
  return baseline::table;
}

}  // namespace

const InstructionSet* find_instruction_set(const char* name) {
  const std::string_view wanted(name);
  if (wanted == "baseline") return &baseline::table;
#ifdef ESPALIER_X86_INSTRUCTION_SETS
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  if (wanted == "avx2" && has_avx2) return &avx2::table;
  if (wanted == "avx512" && has_avx2 && has_avx512) return &avx512::table;
#endif
  return nullptr;
}

const InstructionSet& instruction_set() {
  const InstructionSet* now = chosen.load(std::memory_order_relaxed);
  if (!now) [[unlikely]] {
    now = &choose();
    chosen.store(now, std::memory_order_relaxed);
  }
  return *now;
}

void use_instruction_set(const InstructionSet& wanted) { chosen.store(&wanted, std::memory_order_relaxed); }

}  // namespace espalier::kernels
