// targets.h: one function for each way into the program that takes bytes from outside. It may refuse them by
// throwing Error, and nothing else: any other exception, a crash, a hang or a sanitizer's report is a fault.
// libFuzzer calls them with made-up bytes (fuzz.cpp); the default tests with the corpora (corpus_test.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace espalier::fuzz {

using Input = std::span<const std::uint8_t>;

struct Target {
  const char* name;  ///< of its corpus in tests/fuzz/corpus
  void (*run)(Input);
};
const std::vector<Target>& targets();

/// Runs a target; an Error of a kind that input can cause is swallowed, an internal one is not.
void run(const Target& target, Input input);

}  // namespace espalier::fuzz
