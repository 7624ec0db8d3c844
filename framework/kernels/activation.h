// activation.h: the functions that act on each value alone.
#pragma once

#include "framework/core/real.h"

namespace espalier {

struct Activation {
  enum class Kind { none, relu };
  Kind kind = Kind::none;
  bool operator==(const Activation&) const = default;
  explicit operator bool() const { return kind != Kind::none; }
};
/// As in JSON.
const char* name_of(Activation::Kind kind);

}  // namespace espalier
