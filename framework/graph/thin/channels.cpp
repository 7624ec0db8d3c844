#include "framework/graph/thin/channels.h"

#include <cmath>

#include "framework/graph/channel_ops.h"
#include "framework/graph/pad_op.h"

namespace espalier::thin {

Flow flow_of(const Op& op) {
  if (const auto* conv = dynamic_cast<const ConvOp*>(&op))
    return conv->groups == 1 ? Flow::mixing : Flow::grouped;
  if (dynamic_cast<const LinearOp*>(&op)) return Flow::mixing;
  if (dynamic_cast<const FlattenOp*>(&op)) return Flow::flatten;
  if (dynamic_cast<const ConcatOp*>(&op)) return Flow::concat;
  if (dynamic_cast<const ChannelsOp*>(&op) || dynamic_cast<const ShuffleChannelsOp*>(&op) ||
      dynamic_cast<const PickChannelsOp*>(&op))
    return Flow::moved;
  const bool same = dynamic_cast<const BatchNormOp*>(&op) || dynamic_cast<const ActivationOp*>(&op) ||
                    dynamic_cast<const MaxPoolOp*>(&op) || dynamic_cast<const AveragePoolOp*>(&op) ||
                    dynamic_cast<const GlobalAveragePoolOp*>(&op) || dynamic_cast<const AddOp*>(&op) ||
                    dynamic_cast<const MulOp*>(&op) || dynamic_cast<const DropoutOp*>(&op) ||
                    dynamic_cast<const PadOp*>(&op);
  return same ? Flow::same : Flow::unknown;
}

WeightView::WeightView(const Graph& graph, const Weights& weights, const Step& step) {
  const Tensor& t = weights.at(graph.parameters[step.parameters[0]].name);
  values = t.data();
  out = t.shape()[0];
  in = t.shape()[-1];
  taps = t.size() / (out * in);
}

double WeightView::sum(Index o, Index i, bool& zero) const {
  double total = 0;
  zero = true;
  for (Index t = 0; t < taps; ++t) {
    const Real w = values[(o * taps + t) * in + i];
    zero &= w == 0;
    total += static_cast<double>(w);
  }
  return total;
}

bool sees_no_padding(const Op& op) {
  const auto* conv = dynamic_cast<const ConvOp*>(&op);
  return !conv ||
         (conv->pad_top == 0 && conv->pad_left == 0 && conv->pad_bottom == 0 && conv->pad_right == 0);
}

namespace {

using Channel = std::optional<double>;

/// Output channels of a convolution or linear layer, before its activation.
std::vector<Channel> weighted(const Graph& graph, const Weights& weights, const Step& step,
                              const std::vector<Channel>& in) {
  const WeightView w(graph, weights, step);
  const auto* conv = dynamic_cast<const ConvOp*>(step.op.get());
  const Index groups = conv ? conv->groups : 1;
  const Real* bias =
      step.parameters.size() > 1 ? weights.at(graph.parameters[step.parameters[1]].name).data() : nullptr;
  std::vector<Channel> out(w.out);
  for (Index o = 0; o < w.out; ++o) {
    const Index first = o / (w.out / groups) * w.in;  // input channel 0 of the group
    out[o] = bias ? static_cast<double>(bias[o]) : 0;
    for (Index i = 0; i < w.in && out[o]; ++i) {
      bool zero = true;
      const double sum = w.sum(o, i, zero);
      const Channel& c = in[first + i];
      if (zero || (c && *c == 0)) continue;
      if (c && sees_no_padding(*step.op))
        *out[o] += *c * sum;
      else
        out[o].reset();
    }
  }
  return out;
}

std::vector<Channel> normalised(const Graph& graph, const Weights& weights, const Step& step,
                                const BatchNormOp& op, std::vector<Channel> channels) {
  const auto parameter = [&](int i) { return weights.at(graph.parameters[step.parameters[i]].name).data(); };
  const auto statistic = [&](int i) { return weights.at(graph.statistics[step.statistics[i]].name).data(); };
  const Real *gamma = parameter(0), *beta = parameter(1), *mean = statistic(0), *variance = statistic(1);
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (gamma[c] == 0)
      channels[c] = static_cast<double>(beta[c]);  // whatever comes in
    else if (channels[c])
      *channels[c] = static_cast<double>(beta[c]) +
                     (*channels[c] - static_cast<double>(mean[c])) * static_cast<double>(gamma[c]) /
                         std::sqrt(static_cast<double>(variance[c]) + op.epsilon);
  }
  return channels;
}

std::vector<Channel> sum_of(const Step& step, const Constants& known) {
  std::vector<Channel> sum = known[step.inputs[0]];
  for (std::size_t i = 1; i < step.inputs.size(); ++i)
    for (std::size_t c = 0; c < sum.size(); ++c) {
      const Channel& other = known[step.inputs[i]][c];
      if (sum[c] && other)
        *sum[c] += *other;
      else
        sum[c].reset();
    }
  return sum;
}

/// Whatever is multiplied by 0 is 0.
std::vector<Channel> product_of(const std::vector<Channel>& a, const std::vector<Channel>& b) {
  std::vector<Channel> product(a.size());
  for (std::size_t c = 0; c < a.size(); ++c)
    if (a[c] && b[c])
      product[c] = *a[c] * *b[c];
    else if ((a[c] && *a[c] == 0) || (b[c] && *b[c] == 0))
      product[c] = 0;
  return product;
}

/// Means over windows that count the zeros of padding are lower at the border, as is what zeros are put around.
bool zeros_at_the_border(const Op& op) {
  if (dynamic_cast<const PadOp*>(&op)) return true;
  const auto* average = dynamic_cast<const AveragePoolOp*>(&op);
  if (!average || !average->pool.count_include_pad) return false;
  const PoolSettings& p = average->pool;
  return p.pad_top > 0 || p.pad_left > 0 || p.pad_bottom > 0 || p.pad_right > 0;
}

std::vector<Channel> only_zeros(std::vector<Channel> channels) {
  for (Channel& c : channels)
    if (c && *c != 0) c.reset();
  return channels;
}

void apply(const Activation& f, std::vector<Channel>& channels) {
  for (Channel& c : channels) {
    if (!c) continue;
    const auto x = static_cast<Real>(*c);
    Real y = 0;
    kernels::activate(f, 1, &x, &y);
    c = static_cast<double>(y);
  }
}

std::vector<Channel> outputs(const Graph& graph, const Weights& weights, const Step& step,
                             const Constants& known) {
  const std::vector<Channel>& in = known[step.inputs[0]];
  switch (flow_of(*step.op)) {
    case Flow::mixing:
    case Flow::grouped:
      return weighted(graph, weights, step, in);
    case Flow::flatten: {
      std::vector<Channel> features;
      const auto pixels = static_cast<std::size_t>(channels(graph, step.output)) / in.size();
      for (const Channel& c : in) features.insert(features.end(), pixels, c);
      return features;
    }
    case Flow::concat: {
      std::vector<Channel> all;
      for (const ValueId id : step.inputs) all.insert(all.end(), known[id].begin(), known[id].end());
      return all;
    }
    case Flow::moved: {
      std::vector<Channel> taken;
      const std::vector<Index> sources = *sources_of(*step.op, static_cast<Index>(in.size()));
      for (const Index c : sources) taken.push_back(in[c]);
      return taken;
    }
    case Flow::same:
      if (dynamic_cast<const MulOp*>(step.op.get())) return product_of(in, known[step.inputs[1]]);
      if (zeros_at_the_border(*step.op)) return only_zeros(in);
      if (const auto* norm = dynamic_cast<const BatchNormOp*>(step.op.get()))
        return normalised(graph, weights, step, *norm, in);
      return sum_of(step, known);  // of one input for all but AddOp
    case Flow::unknown:
      break;
  }
  return std::vector<Channel>(channels(graph, step.output));
}

}  // namespace

Constants find_constants(const Graph& graph, const Weights& weights) {
  Constants known(graph.values.size());
  known[graph.input].resize(channels(graph, graph.input));
  for (const Step& step : graph.steps) {
    std::vector<Channel>& out = known[step.output];
    out = outputs(graph, weights, step, known);
    if (const auto* f = dynamic_cast<const ActivationOp*>(step.op.get())) apply(f->function, out);
    if (const Activation* joined = step.op->joined()) apply(*joined, out);
  }
  return known;
}

Classes::Classes(const Graph& graph) {
  int atoms = 0;
  for (std::size_t id = 0; id < graph.values.size(); ++id) {
    first_.push_back(atoms);
    atoms += static_cast<int>(channels(graph, static_cast<ValueId>(id)));
  }
  for (int a = 0; a < atoms; ++a) parent_.push_back(a);
  for (const Step& step : graph.steps) tie(graph, step);

  std::vector<int> number(atoms, -1);
  for (int a = 0; a < atoms; ++a) {
    int& n = number[root(a)];
    if (n < 0) n = count_++;
    class_.push_back(n);
  }
  pinned_.assign(count_, false);
  pin(graph, graph.input);
  for (const ValueId id : graph.outputs) pin(graph, id);
  for (const Step& step : graph.steps) {
    if (flow_of(*step.op) != Flow::unknown) continue;
    pin(graph, step.output);
    for (const ValueId id : step.inputs) pin(graph, id);
  }
}

void Classes::tie(const Graph& graph, const Step& step) {
  const Index out = channels(graph, step.output);
  Index before = 0;  // channels of the inputs before this one
  for (const ValueId input : step.inputs) {
    const Index in = channels(graph, input);
    switch (flow_of(*step.op)) {
      case Flow::same:
        for (Index c = 0; c < out; ++c) tie(input, c, step.output, c);
        break;
      case Flow::flatten:
        for (Index f = 0; f < out; ++f) tie(input, f / (out / in), step.output, f);
        break;
      case Flow::grouped: {  // whole groups leave, so that the others stay of one size
        const Index groups = static_cast<const ConvOp&>(*step.op).groups;
        for (Index c = 0; c < in; ++c) tie(input, c, step.output, c / (in / groups) * (out / groups));
        for (Index c = 0; c < out; ++c) tie(step.output, c, step.output, c / (out / groups) * (out / groups));
        break;
      }
      case Flow::concat:
        for (Index c = 0; c < in; ++c) tie(input, c, step.output, before + c);
        break;
      case Flow::moved: {
        const std::vector<Index> sources = *sources_of(*step.op, in);
        for (Index c = 0; c < out; ++c) tie(input, sources[c], step.output, c);
        break;
      }
      case Flow::mixing:
      case Flow::unknown:
        break;
    }
    before += in;
  }
}

int Classes::root(int atom) {
  while (parent_[atom] != atom) atom = parent_[atom] = parent_[parent_[atom]];
  return atom;
}

void Classes::tie(ValueId a, Index channel_a, ValueId b, Index channel_b) {
  parent_[root(first_[a] + static_cast<int>(channel_a))] = root(first_[b] + static_cast<int>(channel_b));
}

void Classes::pin(const Graph& graph, ValueId id) {
  for (Index c = 0; c < channels(graph, id); ++c) pinned_[of(id, c)] = true;
}

}  // namespace espalier::thin
