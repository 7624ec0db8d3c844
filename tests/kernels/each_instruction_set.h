// each_instruction_set.h: repeats a check at every instruction set this machine has.
#pragma once

#include <gtest/gtest.h>

#include "framework/kernels/instruction_set.h"

namespace espalier::test {

template <class Check>
void for_each_instruction_set(Check check) {
  const kernels::InstructionSet& usual = kernels::instruction_set();
  for (const char* name : {"baseline", "avx2", "avx512"})
    if (const kernels::InstructionSet* set = kernels::find_instruction_set(name)) {
      SCOPED_TRACE(name);
      kernels::use_instruction_set(*set);
      check();
    }
  kernels::use_instruction_set(usual);
}

}  // namespace espalier::test
