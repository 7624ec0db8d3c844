#include "framework/graph/channel_ops.h"

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

namespace {
const bool channel_ops_known =
    add_op<ChannelsOp>("some of the channels") && add_op<ShuffleChannelsOp>("channels dealt out");
}

}  // namespace espalier
