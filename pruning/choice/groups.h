// groups.h: which weights leave together. A set Q costs rho_Q = 1/2 r_Q' ([F^-1]_QQ)^-1 r_Q (mathematics.md
// section 5), r = w - h; single weights are sets of one.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/core/shape.h"

namespace espalier {

/// A layer that may be pruned, as criteria and selections see it.
struct LayerView {
  std::string name;
  Range columns;                     ///< of its weights among all prunable ones
  Shape shape;                       ///< OHWI, or [out, in]
  double macs_per_weight = 1;        ///< multiply-adds of one example that each weight takes part in
  bool outputs_are_classes = false;  ///< each row of the weight is a class of the network's
};

inline std::vector<Range> columns_of(std::span<const LayerView> layers) {
  std::vector<Range> columns;
  for (const LayerView& layer : layers) columns.push_back(layer.columns);
  return columns;
}

struct GroupSettings {
  virtual ~GroupSettings() = default;
  virtual void fields(Fields& f) = 0;
  /// Single weights: no sets are formed, and saliencies are ranked as they are.
  virtual bool single() const { return false; }
  /// The sets of a layer: disjoint, each a list of columns. Throws Error(config) naming the layer where its
  /// shape does not divide.
  virtual std::vector<std::vector<Index>> sets(const LayerView& layer) const = 0;
  /// How many members of a set of `size` leave when the set's
  /// turn comes (all: blocks and filters; M - N of M: N:M).
  virtual Index leaving(Index size) const { return size; }
};

}  // namespace espalier
