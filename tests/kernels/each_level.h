// each_level.h: repeats a check at every CPU level this machine has.
#pragma once

#include <gtest/gtest.h>

#include "framework/kernels/levels.h"

namespace espalier::test {

template <class Check>
void for_each_level(Check check) {
  const kernels::Level& usual = kernels::level();
  for (const char* name : {"baseline", "avx2", "avx512"})
    if (const kernels::Level* level = kernels::find_level(name)) {
      SCOPED_TRACE(name);
      kernels::set_level(*level);
      check();
    }
  kernels::set_level(usual);
}

}  // namespace espalier::test
