// channel_ops.h: ops that move channels and change no number: what networks with split branches and channel
// shuffles (ShuffleNet) consist of.
#pragma once

#include <optional>

#include "framework/graph/op_table.h"

namespace espalier {

/// Channels (or features) [begin, begin + count) of a value.
struct ChannelsOp final : OpOf<ChannelsOp> {
  Index begin = 0, count = 1;
  ChannelsOp() = default;
  ChannelsOp(Index first, Index n) : begin(first), count(n) {}
  const char* type() const override { return "channels"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

/// Channels in `groups` equal groups, dealt out: the first of each group, the second of each, ... As a
/// reshape to [g, c / g], a transpose and a reshape back.
struct ShuffleChannelsOp final : OpOf<ShuffleChannelsOp> {
  Index groups = 2;
  ShuffleChannelsOp() = default;
  explicit ShuffleChannelsOp(Index g) : groups(g) {}
  const char* type() const override { return "shuffle_channels"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

/// Channels in any order, each at most once: output channel k is the input's channel channels[k]. What is left of a
/// shuffle or a slice when some of its channels have left.
struct PickChannelsOp final : OpOf<PickChannelsOp> {
  std::vector<int> channels;
  PickChannelsOp() = default;
  explicit PickChannelsOp(std::vector<int> c) : channels(std::move(c)) {}
  const char* type() const override { return "pick_channels"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

/// The op of ShuffleChannelsOp on values [.., c]; its adjoint is the shuffle of c / groups groups.
Var shuffle_channels(const Var& x, Index groups);
/// The op of PickChannelsOp on values [.., c]; its adjoint is place_channels.
Var pick_channels(const Var& x, const std::vector<int>& channels);
/// Values [.., k] as the channels `channels` of [.., count], whose other channels are zero.
Var place_channels(const Var& x, const std::vector<int>& channels, Index count);

/// Which of the input's `count` channels each output channel is, of the three ops above; nothing for other ops.
std::optional<std::vector<Index>> sources_of(const Op& op, Index count);
/// The op above that takes these of `count` channels: a slice where they are neighbours, a shuffle of `groups` groups
/// where they are one, else a pick.
std::shared_ptr<const Op> moving_op(const std::vector<Index>& sources, Index count, Index groups);

}  // namespace espalier
