// channel_ops.h: ops that move channels and change no number: what networks with split branches and channel
// shuffles (ShuffleNet) consist of.
#pragma once

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

/// The op of ShuffleChannelsOp on values [.., c]; its adjoint is the shuffle of c / groups groups.
Var shuffle_channels(const Var& x, Index groups);

}  // namespace espalier
