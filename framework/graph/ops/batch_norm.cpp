// batch_norm.cpp: batch normalisation as an op of graphs: which statistics a pass uses, and how training
// moves them.
#include "framework/graph/init.h"
#include "framework/graph/ops.h"

namespace espalier {

void BatchNormOp::fields(Fields& f) {
  f("epsilon", epsilon, "added to the variance", {.low = 0, .low_open = true});
}

std::vector<ParameterSpec> BatchNormOp::parameters(std::span<const Shape> in) const {
  const Index channels = in[0][-1];
  return {{"weight", {channels}, Role::norm_scale, constant(1)},
          {"bias", {channels}, Role::norm_shift, constant(0)}};
}

std::vector<StatisticSpec> BatchNormOp::statistics(std::span<const Shape> in) const {
  return {{"running_mean", in[0][-1], 0}, {"running_var", in[0][-1], 1}};
}

Reads BatchNormOp::reads(const Pass& pass) const {
  // In training what came before the activation is computed again from the input.
  const bool again = !joined_activation || (pass.training && fused(joined_activation));
  return {.output = !again};
}

Var BatchNormOp::apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const {
  const Var &x = in[0], &gamma = own.parameters[0], &beta = own.parameters[1];
  Tensor mean = own.statistics[0], variance = own.statistics[1];
  if (!pass.training) return batch_norm_eval(x, gamma, beta, mean, variance, epsilon, joined_activation);
  if (x.shape().size() == x.shape()[-1])
    fail(ExitCode::config,
         "model: {}.weight gets one value per channel, which has no variance: a batch of one example, of "
         "shape "
         "{}. Set train.batch_size (or prune.recalibration_examples, data.train_limit) so that no batch has "
         "one example",
         own.name, x.shape());
  BatchMoments batch;
  const Var y = batch_norm_train(x, gamma, beta, epsilon, batch, joined_activation);
  const auto rows = static_cast<double>(x.shape().size() / x.shape()[-1]);
  const auto share = static_cast<Real>(pass.statistics_momentum);
  const auto unbiased = static_cast<Real>(rows / (rows - 1));
  for (Index c = 0; c < mean.size(); ++c) {
    mean.data()[c] += share * (batch.mean.data()[c] - mean.data()[c]);
    variance.data()[c] += share * (batch.variance.data()[c] * unbiased - variance.data()[c]);
  }
  return y;
}

namespace {
const bool batch_norm_known = add_op<BatchNormOp>("batch normalisation");
}

}  // namespace espalier
