// fuzz.cpp: libFuzzer's way in; FUZZ_TARGET names one of targets.h. Built by tools/fuzz with clang.
#include <cstring>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const espalier::fuzz::Target& target = [&]() -> const espalier::fuzz::Target& {
    for (const auto& t : espalier::fuzz::targets())
      if (std::strcmp(t.name, FUZZ_TARGET) == 0) return t;
    __builtin_trap();
  }();
  espalier::fuzz::run(target, {data, size});
  return 0;
}
