#include "framework/kernels/activation.h"

namespace espalier {

const char* name_of(Activation::Kind kind) {
  switch (kind) {
    case Activation::Kind::none:
      return "identity";
    case Activation::Kind::relu:
      return "relu";
  }
  return "";
}

}  // namespace espalier
