#include "framework/graph/channel_ops.h"

#include <algorithm>
#include <numeric>

#include "framework/core/parallel.h"
#include "framework/graph/ops/rules.h"
#include "framework/ops/ops.h"

namespace espalier {

Var shuffle_channels(const Var& x, Index groups) {
  const Shape s = x.shape();
  const Index channels = s[-1], each = channels / groups, rows = s.size() / std::max<Index>(channels, 1);
  require(groups > 0 && channels % groups == 0, "[shuffle_channels] {} channels in {} groups", channels,
          groups);
  Tensor y = Tensor::uninitialized(s);
  constexpr Index rows_at_once = 256;
  parallel_for(rows, rows_at_once, [&](Range r) {
    for (Index row = r.begin; row < r.end; ++row) {
      const Real* from = x.value().data() + row * channels;
      Real* to = y.data() + row * channels;
      for (Index k = 0; k < each; ++k)
        for (Index g = 0; g < groups; ++g) to[k * groups + g] = from[g * each + k];
    }
  });
  return record("shuffle_channels", {x}, std::move(y),
                [each](const Inputs&, const Var&, const Var& dy) { return shuffle_channels(dy, each); });
}

namespace {

constexpr Index rows_of_channels = 256;  // at a time

Index channel_rows(const Shape& s) { return s.size() / std::max<Index>(s[-1], 1); }

Shape with_channels(const Shape& s, Index channels) {
  if (s.rank() == 2) return {s[0], channels};
  return {s[0], s[1], s[2], channels};
}

}  // namespace

Var pick_channels(const Var& x, const std::vector<int>& channels) {
  const Shape s = x.shape();
  const Index from_channels = s[-1], kept = static_cast<Index>(channels.size());
  require(s.rank() == 2 || s.rank() == 4, "[pick_channels] of {}", s);
  for (const int c : channels)
    require(c >= 0 && c < from_channels, "[pick_channels] channel {} of {}", c, from_channels);
  Tensor y = Tensor::uninitialized(with_channels(s, kept));
  parallel_for(channel_rows(s), rows_of_channels, [&](Range r) {
    const Real* from = x.value().data() + r.begin * from_channels;
    Real* to = y.data() + r.begin * kept;
    for (Index row = r.begin; row < r.end; ++row, from += from_channels, to += kept)
      for (Index k = 0; k < kept; ++k) to[k] = from[channels[k]];
  });
  return record("pick_channels", {x}, std::move(y),
                [channels, from_channels](const Inputs&, const Var&, const Var& dy) {
                  return place_channels(dy, channels, from_channels);
                });
}

Var place_channels(const Var& x, const std::vector<int>& channels, Index count) {
  const Shape s = x.shape();
  const Index kept = s[-1];
  require(kept == static_cast<Index>(channels.size()), "[place_channels] {} as {} channels", s,
          channels.size());
  Tensor y = Tensor::zeros(with_channels(s, count));
  parallel_for(channel_rows(s), rows_of_channels, [&](Range r) {
    const Real* from = x.value().data() + r.begin * kept;
    Real* to = y.data() + r.begin * count;
    for (Index row = r.begin; row < r.end; ++row, from += kept, to += count)
      for (Index k = 0; k < kept; ++k) to[channels[k]] = from[k];
  });
  return record("place_channels", {x}, std::move(y),
                [channels](const Inputs&, const Var&, const Var& dy) { return pick_channels(dy, channels); });
}

std::optional<std::vector<Index>> sources_of(const Op& op, Index count) {
  std::vector<Index> sources;
  if (const auto* part = dynamic_cast<const ChannelsOp*>(&op)) {
    sources.resize(part->count);
    std::iota(sources.begin(), sources.end(), part->begin);
  } else if (const auto* shuffle = dynamic_cast<const ShuffleChannelsOp*>(&op)) {
    const Index each = count / shuffle->groups;
    for (Index k = 0; k < count; ++k) sources.push_back(k % shuffle->groups * each + k / shuffle->groups);
  } else if (const auto* pick = dynamic_cast<const PickChannelsOp*>(&op)) {
    sources.assign(pick->channels.begin(), pick->channels.end());
  } else {
    return std::nullopt;
  }
  return sources;
}

std::shared_ptr<const Op> moving_op(const std::vector<Index>& sources, Index count, Index groups) {
  const auto taken = static_cast<Index>(sources.size());
  std::vector<Index> neighbours(taken);
  std::iota(neighbours.begin(), neighbours.end(), sources.front());
  if (sources == neighbours) return std::make_shared<const ChannelsOp>(sources[0], taken);
  const ShuffleChannelsOp shuffle(groups);
  if (groups > 1 && taken == count && count % groups == 0 && sources_of(shuffle, count) == sources)
    return std::make_shared<const ShuffleChannelsOp>(shuffle);
  return std::make_shared<const PickChannelsOp>(std::vector<int>(sources.begin(), sources.end()));
}

void ChannelsOp::fields(Fields& f) {
  f("begin", begin, "first channel", {.low = 0});
  f("count", count, "number of channels", {.low = 1});
}
Shape ChannelsOp::shape(std::span<const Shape> in) const {
  const Shape& s = in[0];
  if (begin < 0 || count < 1 || begin > s[-1] - count)
    fail(ExitCode::config, "takes channels {} to {} of {}", begin, begin + count - 1, s[-1]);
  return s.rank() == 1 ? Shape{count} : Shape{s[0], s[1], count};
}
Var ChannelsOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return narrow(in[0], begin, count);
}

void ShuffleChannelsOp::fields(Fields& f) { f("groups", groups, "number of groups", {.low = 1}); }
Shape ShuffleChannelsOp::shape(std::span<const Shape> in) const {
  if (groups < 1 || in[0][-1] % groups != 0)
    fail(ExitCode::config, "cannot deal out {} channels in {} groups", in[0][-1], groups);
  return in[0];
}
Var ShuffleChannelsOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return shuffle_channels(in[0], groups);
}

void PickChannelsOp::fields(Fields& f) {
  f.required()("channels", channels, "the input's channels that it makes its own, in this order", {.low = 0});
}
Shape PickChannelsOp::shape(std::span<const Shape> in) const {
  const Shape& s = in[0];
  if (channels.empty()) fail(ExitCode::config, "takes no channels; \"channels\" must list some");
  std::vector<int> sorted = channels;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    fail(ExitCode::config, "takes channel {} twice", *twice);
  if (sorted.front() < 0 || sorted.back() >= s[-1])
    fail(ExitCode::config, "takes channel {} of {}", sorted.front() < 0 ? sorted.front() : sorted.back(),
         s[-1]);
  const auto taken = static_cast<Index>(channels.size());
  return s.rank() == 1 ? Shape{taken} : Shape{s[0], s[1], taken};
}
Var PickChannelsOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return pick_channels(in[0], channels);
}

namespace {
const bool channel_ops_known = add_op<ChannelsOp>("some of the channels") &&
                               add_op<ShuffleChannelsOp>("channels dealt out") &&
                               add_op<PickChannelsOp>("channels in an order of one's own");
}

}  // namespace espalier
