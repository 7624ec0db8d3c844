// quadratic_model.h: the loss around one point, as all of pruning takes it (mathematics.md, sections 1 to 6):
//   L(w + delta) - L(w)  ~  g'delta + 1/2 delta'F delta,   F = damp I + (1/N) G'G on diagonal blocks.
// Criteria ask it what the removal of a weight costs, searches
// which weights to take, updates where the others move.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "pruning/inverse/inverse.h"

namespace espalier {

/// All vectors have d values, one for each weight that may
/// be pruned. What is referred to must outlive the model.
struct QuadraticModel {
  std::vector<double> w;
  std::vector<double> g = {};  ///< mean gradient; empty: taken as zero, as at a trained optimum (WoodFisher)
  const GradientRows* rows = nullptr;  ///< G; null where nothing asks for curvature (magnitude)
  std::vector<Range> layers = {};      ///< columns of each layer
  std::vector<bool> pruned = {};       ///< weights that are zero already; empty: none
  double damp = 0;
  const InverseSettings* kind = nullptr;  ///< how F is cut into blocks and inverted
  /// The gradient step F^-1 g, to be subtracted from w (update.h makes it); empty with g.
  std::vector<double> h = {};
  double step_damp = 1;  ///< dampening of h, which is a step and no score
  bool shorten_step =
      true;  ///< h at most as long as is best under the model over all weights, without blocks
  /// F^-1 if it is at hand already (of a family of dampenings); else inverse() builds it.
  mutable std::shared_ptr<const FisherInverse> built = {};

  /// F^-1. The first call may take long, and must not be made by several threads at once.
  const FisherInverse& inverse() const {
    if (!built) built = kind->build(*rows, layers, damp);
    return *built;
  }
  std::vector<Range> blocks() const { return kind->partition(layers); }
  Index size() const { return static_cast<Index>(w.size()); }
  bool was_pruned(std::size_t q) const { return !pruned.empty() && pruned[q]; }
  /// r_q = w_q - h_q: what the gradient step leaves of weight q, and its removal must take away.
  double rest(std::size_t q) const { return w[q] - (h.empty() ? 0 : h[q]); }
};

}  // namespace espalier
