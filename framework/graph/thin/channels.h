// channels.h: what thinning knows of channels: which are constant, and which can only leave together.
#pragma once

#include <optional>
#include <vector>

#include "framework/graph/graph.h"
#include "framework/graph/ops.h"
#include "framework/graph/weights.h"

namespace espalier::thin {

/// Where a step's output channels come from. same: channel c from channel c of each input. flatten: features from
/// the pixels of channel c. concat: the channels of one input after those of another. moved: each from some channel of
/// the input (slices, shuffles). mixing: every output channel from all inputs, by weights (convolution of one group,
/// linear layer). grouped: a convolution with groups. unknown: nothing can be said.
enum class Flow { same, flatten, concat, moved, mixing, grouped, unknown };
Flow flow_of(const Op& op);

inline Index channels(const Graph& graph, ValueId id) { return graph.shape(id)[-1]; }

/// The weight of a convolution or linear layer: [out, taps, in], where a linear layer has one tap.
struct WeightView {
  const Real* values;
  Index out, taps, in;
  WeightView(const Graph& graph, const Weights& weights, const Step& step);
  /// Sum over the taps from input i to output o; `zero` tells whether all of them are 0.
  double sum(Index o, Index i, bool& zero) const;
};
/// Whether every tap of the step's windows lies inside the image: then a constant input adds a constant.
bool sees_no_padding(const Op& op);

/// Of every value and channel: the number that it always is, in evaluation, if it always is the same.
using Constants = std::vector<std::vector<std::optional<double>>>;
Constants find_constants(const Graph& graph, const Weights& weights);

/// All channels of all values, in classes that leave together or stay.
class Classes {
 public:
  explicit Classes(const Graph& graph);
  /// Class of a channel.
  int of(ValueId id, Index channel) const { return class_[first_[id] + channel]; }
  int count() const { return count_; }
  /// Whether a class holds inputs or outputs of the network, or what unknown ops touch.
  bool pinned(int c) const { return pinned_[c]; }

 private:
  int root(int atom);
  void tie(ValueId a, Index channel_a, ValueId b, Index channel_b);
  void tie(const Graph& graph, const Step& step);
  void pin(const Graph& graph, ValueId id);
  std::vector<int> first_;   // atom of channel 0 of every value
  std::vector<int> parent_;  // of atoms: a forest whose trees are the classes
  std::vector<int> class_;   // of atoms
  std::vector<bool> pinned_;
  int count_ = 0;
};

}  // namespace espalier::thin
