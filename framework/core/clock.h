// clock.h: seconds that pass, for rates and durations.
#pragma once

#include <chrono>

namespace espalier {

/// Of a clock that never jumps; only differences have a meaning.
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace espalier
