// lanczos.h: the largest and the smallest eigenvalues of a symmetric operator from products alone (Lanczos
// 1950), with full reorthogonalisation, so that no eigenvalue appears twice by rounding. Holds steps x d
// doubles: 64 steps on 36,864 weights are 19 MB.
#pragma once

#include <functional>

#include "pruning/rows/curvature.h"

namespace espalier {

struct LanczosOptions {
  int largest = 10, smallest = 0;  ///< eigenvalues wanted at each end
  int most_steps = 200;            ///< products allowed; at most d are used
  /// An eigenvalue is settled when its residual |A y - theta y|, which bounds its error, is at most this
  /// share of the largest |eigenvalue| found.
  double tolerance = 1e-6;
  std::uint64_t seed = 1;  ///< of the first vector
  bool vectors = false;
  /// Called after every product with their number; may throw to stop.
  std::function<void(int)> progress = {};
};

struct Eigenvalues {
  struct One {
    double value, residual;
    std::vector<double> vector;  ///< of length 1, if asked for
  };
  std::vector<One> largest, smallest;  ///< from the end inwards; fewer than wanted if d is smaller
  int steps = 0;                       ///< products taken
  bool settled = false;                ///< all wanted ones have
  static double bytes(Index size, int steps) { return 8.0 * static_cast<double>(size) * (steps + 3); }
};

Eigenvalues lanczos(const CurvatureOperator& matrix, const LanczosOptions& options = {});

}  // namespace espalier
