#include "framework/graph/thin/thin.h"

#include <algorithm>
#include <numeric>

#include "framework/graph/builder.h"
#include "framework/graph/channel_ops.h"
#include "framework/graph/thin/channels.h"

namespace espalier {
namespace {

using namespace thin;

/// What a mixing step does with its inputs: calls visit(input channel, output channel, sum of the taps) for
/// every pair with a weight other than 0.
template <class Visit>
void for_each_link(const Graph& graph, const Weights& weights, const Step& step, Visit visit) {
  const WeightView w(graph, weights, step);
  for (Index o = 0; o < w.out; ++o)
    for (Index i = 0; i < w.in; ++i) {
      bool zero = true;
      const double sum = w.sum(o, i, zero);
      if (!zero) visit(i, o, sum);
    }
}

/// Which classes leave.
class Verdict {
 public:
  Verdict(const Graph& graph, const Weights& weights)
      : graph_(graph),
        classes_(graph),
        constants_(find_constants(graph, weights)),
        gone_(classes_.count(), false) {
    // From readers to what they read, again until nothing changes: each round can only free more.
    for (bool changed = true; changed;) {
      std::vector<bool> needed(classes_.count(), false);
      for (int c = 0; c < classes_.count(); ++c) needed[c] = classes_.pinned(c);
      for (const Step& step : graph.steps)
        if (flow_of(*step.op) == Flow::mixing)
          for_each_link(graph, weights, step, [&](Index i, Index o, double) {
            if (!gone(step.output, o) && !can_leave(step, i)) needed[classes_.of(step.inputs[0], i)] = true;
          });
      changed = false;
      for (int c = 0; c < classes_.count(); ++c) {
        changed |= !needed[c] && !gone_[c];
        gone_[c] = !needed[c];
      }
    }
    keep_one_channel_of_each_value();
  }

  bool gone(ValueId id, Index channel) const { return gone_[classes_.of(id, channel)]; }
  const std::optional<double>& constant(ValueId id, Index channel) const { return constants_[id][channel]; }
  std::vector<Index> kept(ValueId id) const {
    std::vector<Index> list;
    for (Index c = 0; c < channels(graph_, id); ++c)
      if (!gone(id, c)) list.push_back(c);
    return list;
  }
  /// Whether a mixing step can do without its input channel i although it has a weight for it.
  bool can_leave(const Step& step, Index i) const {
    const std::optional<double>& c = constants_[step.inputs[0]][i];
    return c && (*c == 0 || sees_no_padding(*step.op));
  }

 private:
  /// A class comes back where nothing would be left, and goes again if one that came back later serves as well.
  void keep_one_channel_of_each_value() {
    const auto is_empty = [&](std::size_t id) { return kept(static_cast<ValueId>(id)).empty(); };
    std::vector<int> back;
    for (std::size_t id = 0; id < graph_.values.size(); ++id)
      if (is_empty(id)) {
        back.push_back(classes_.of(static_cast<ValueId>(id), 0));
        gone_[back.back()] = false;
      }
    for (const int c : back) {
      gone_[c] = true;
      for (std::size_t id = 0; id < graph_.values.size() && gone_[c]; ++id) gone_[c] = !is_empty(id);
    }
  }

  const Graph& graph_;
  Classes classes_;
  Constants constants_;
  std::vector<bool> gone_;
};

/// The entries `outs` of axis 0 and `ins` of the last axis; of a vector, `outs`.
Tensor select(const Tensor& t, const std::vector<Index>& outs, const std::vector<Index>& ins) {
  const Shape& s = t.shape();
  const auto n = static_cast<Index>(outs.size()), m = static_cast<Index>(ins.size());
  Shape shape{n};
  if (s.rank() == 2) shape = {n, m};
  if (s.rank() == 4) shape = {n, s[1], s[2], m};
  Tensor picked = Tensor::uninitialized(shape);
  Real* to = picked.data();
  if (s.rank() == 1) {
    for (const Index o : outs) *to++ = t.data()[o];
    return picked;
  }
  const Index taps = s.size() / (s[0] * s[-1]);
  for (const Index o : outs)
    for (Index tap = 0; tap < taps; ++tap)
      for (const Index i : ins) *to++ = t.data()[(o * taps + tap) * s[-1] + i];
  return picked;
}

std::vector<Index> all(Index n) {
  std::vector<Index> list(n);
  std::iota(list.begin(), list.end(), 0);
  return list;
}

class Thinner {
 public:
  Thinner(const Graph& graph, const Weights& weights, const Weights& masks)
      : graph_(graph),
        weights_(weights),
        masks_(masks),
        verdict_(graph, weights),
        ids_(graph.values.size(), -1) {
    const Value& input = graph.value(graph.input);
    ids_[graph.input] = builder_.input(input.name, input.shape);
    for (const Step& step : graph.steps) {
      std::vector<ValueId> inputs;
      for (const ValueId id : step.inputs) inputs.push_back(ids_[id]);
      std::shared_ptr<const Op> op = step.op;
      const Flow flow = flow_of(*step.op);
      if (flow == Flow::mixing || flow == Flow::grouped)
        op = layer(step, flow);
      else if (flow == Flow::moved)
        op = moved(step);
      else
        per_channel(step);
      ids_[step.output] = builder_.add(step.name, op, inputs, graph.value(step.output).name);
    }
    std::vector<ValueId> outputs;
    for (const ValueId id : graph.outputs) outputs.push_back(ids_[id]);
    out.graph = builder_.finish(outputs);
    check_weights(out.graph, out.weights);
  }

  Thinned out;

 private:
  /// Copies a tensor, and its mask if it has one.
  void take(const std::string& name, const std::vector<Index>& outs, const std::vector<Index>& ins) {
    out.weights.tensors[name] = select(weights_.at(name), outs, ins);
    if (masks_.has(name)) out.masks.tensors[name] = select(masks_.at(name), outs, ins);
  }

  /// A slice or shuffle of the channels that are left.
  std::shared_ptr<const Op> moved(const Step& step) const {
    const std::vector<Index> ins = verdict_.kept(step.inputs[0]), outs = verdict_.kept(step.output),
                             sources = *sources_of(*step.op, channels(graph_, step.inputs[0]));
    std::vector<Index> left;  // where each output channel's source is among the inputs that are left
    for (const Index o : outs)
      left.push_back(std::lower_bound(ins.begin(), ins.end(), sources[o]) - ins.begin());
    const auto* shuffle = dynamic_cast<const ShuffleChannelsOp*>(step.op.get());
    return moving_op(left, static_cast<Index>(ins.size()), shuffle ? shuffle->groups : 1);
  }

  /// Batch norm: every tensor has a value for each channel. Steps of unknown ops keep all channels, and so
  /// theirs.
  void per_channel(const Step& step) {
    const std::vector<Index> kept = verdict_.kept(step.output);
    const bool whole = flow_of(*step.op) == Flow::unknown;
    const auto copy = [&](const std::string& name) {
      if (!whole) return take(name, kept, {});
      out.weights.tensors[name] = weights_.at(name);
      if (masks_.has(name)) out.masks.tensors[name] = masks_.at(name);
    };
    for (const int p : step.parameters) copy(graph_.parameters[p].name);
    for (const int s : step.statistics) copy(graph_.statistics[s].name);
  }

  /// A convolution or linear layer: its tensors, and its settings.
  std::shared_ptr<const Op> layer(const Step& step, Flow flow) {
    const std::vector<Index> outs = verdict_.kept(step.output), ins = verdict_.kept(step.inputs[0]);
    const std::string& weight = graph_.parameters[step.parameters[0]].name;
    const Shape& before = weights_.at(weight).shape();
    take(weight, outs, flow == Flow::mixing ? ins : all(before[-1]));
    out.layers.push_back({step.name, before[0], static_cast<Index>(outs.size()), before.size(),
                          out.weights.at(weight).size()});

    const std::vector<double> moved =
        flow == Flow::mixing ? constants_of(step) : std::vector<double>(before[0], 0.0);
    const bool had_bias = step.parameters.size() > 1;
    const bool has_bias =
        had_bias || std::any_of(outs.begin(), outs.end(), [&](Index o) { return moved[o] != 0; });
    const std::string name = had_bias ? graph_.parameters[step.parameters[1]].name : step.name + ".bias";
    if (had_bias) take(name, outs, {});
    if (has_bias) {
      if (!had_bias) out.weights.tensors[name] = Tensor::zeros({static_cast<Index>(outs.size())});
      Tensor& bias = out.weights.tensors[name];
      for (std::size_t o = 0; o < outs.size(); ++o)
        bias.data()[o] = static_cast<Real>(static_cast<double>(bias.data()[o]) + moved[outs[o]]);
    }
    std::unique_ptr<Op> op = step.op->clone();
    if (auto* conv = dynamic_cast<ConvOp*>(op.get())) {
      conv->out = static_cast<Index>(outs.size());
      conv->groups = flow == Flow::mixing ? 1 : static_cast<Index>(ins.size()) / before[-1];
      conv->bias = has_bias;
    } else {
      auto& linear = dynamic_cast<LinearOp&>(*op);
      linear.out = static_cast<Index>(outs.size());
      linear.bias = has_bias;
    }
    return op;
  }

  /// Per output channel, what the constant inputs that leave have added; notes those that can't leave.
  std::vector<double> constants_of(const Step& step) {
    const ValueId input = step.inputs[0];
    std::vector<double> moved(channels(graph_, step.output), 0.0);
    std::vector<bool> stays(channels(graph_, input), false);
    for_each_link(graph_, weights_, step, [&](Index i, Index o, double sum) {
      const std::optional<double>& c = verdict_.constant(input, i);
      if (!c || *c == 0) return;
      if (verdict_.gone(input, i)) moved[o] += *c * sum;
      if (!verdict_.gone(step.output, o) && !verdict_.can_leave(step, i)) stays[i] = true;
    });
    if (const auto n = std::count(stays.begin(), stays.end(), true); n > 0)
      out.notes.push_back(
          fmt::format("{} channel(s) that '{}' reads are constant and not 0; they stay, since it pads with "
                      "zeros, where they are 0",
                      n, step.name));
    return moved;
  }

  const Graph& graph_;
  const Weights &weights_, &masks_;
  Verdict verdict_;
  GraphBuilder builder_;
  std::vector<ValueId> ids_;  // in the new graph
};

}  // namespace

Thinned remove_dead_channels(const Graph& graph, const Weights& weights, const Weights& masks) {
  return std::move(Thinner(graph, weights, masks).out);
}

}  // namespace espalier
