// export_steps.cpp: each step of a Graph as nodes of ONNX.
#include <cmath>

#include "framework/graph/channel_ops.h"
#include "framework/graph/ops.h"
#include "framework/graph/pad_op.h"
#include "framework/interchange/onnx/exporter.h"

namespace espalier::onnx {
namespace {

std::vector<std::int64_t> sides(Index a, Index b) { return {a, b}; }

/// Padding after the image along one axis such that as many windows fit as we compute, without ceil_mode: readers of
/// ONNX differ in what that does to a last window that hangs over the border.
Index padding_after(Index in, Index out, Index before, Index after, Index kernel, Index stride) {
  return (in + before + after - kernel) / stride + 1 == out ? after
                                                            : (out - 1) * stride + kernel - in - before;
}

std::vector<Attribute> pool_attributes(const PoolSettings& p, const Shape& image) {
  const PoolGeometry g = p.geometry(image);
  return {Attribute::integers("kernel_shape", sides(g.kernel.h, g.kernel.w)),
          Attribute::integers("strides", sides(g.stride.h, g.stride.w)),
          Attribute::integers(
              "pads", {g.pad.top, g.pad.left,
                       padding_after(g.in_h, g.out_h, g.pad.top, g.pad.bottom, g.kernel.h, g.stride.h),
                       padding_after(g.in_w, g.out_w, g.pad.left, g.pad.right, g.kernel.w, g.stride.w)})};
}

/// Whether a mean counts its padding. Without padding of its own it does not matter to us, and what hangs over the
/// border is then not counted.
bool counts_padding(const PoolSettings& p, const std::string& step) {
  const bool padded = !(p.spec().pad == Border(0));
  if (padded && p.count_include_pad && p.ceil_mode)
    fail(
        ExitCode::config,
        "export: step '{}' is an average_pool with padding, count_include_pad and ceil_mode, which ONNX has no words "
        "for that all readers understand alike; set ceil_mode or count_include_pad to false",
        step);
  return padded && p.count_include_pad;
}

}  // namespace

std::string Exporter::activation(const std::string& x, const Activation& f, const std::string& output) {
  using Kind = Activation::Kind;
  const Attribute alpha = Attribute::real("alpha", f.alpha), beta = Attribute::real("beta", f.beta);
  switch (f.kind) {
    case Kind::none:
      return x;
    case Kind::relu:
      return node("Relu", {x}, output);
    case Kind::leaky_relu:
      return node("LeakyRelu", {x}, output, {alpha});
    case Kind::clip:
      return node("Clip", {x, scalar(output + ".low", f.alpha), scalar(output + ".high", f.beta)}, output);
    case Kind::sigmoid:
      return node("Sigmoid", {x}, output);
    case Kind::hard_sigmoid:
      return node("HardSigmoid", {x}, output, {alpha, beta});
    case Kind::tanh:
      return node("Tanh", {x}, output);
    case Kind::elu:
      return node("Elu", {x}, output, {alpha});
    case Kind::silu:
      return node("Mul", {x, node("Sigmoid", {x}, output + ".sigmoid")}, output);
    case Kind::hard_swish:  // an op of its own only since opset 14
      return node("Mul",
                  {x, node("HardSigmoid", {x}, output + ".hard_sigmoid",
                           {Attribute::real("alpha", 1.0 / 6), Attribute::real("beta", 0.5)})},
                  output);
    case Kind::gelu: {  // an op of its own only since opset 20
      const std::string scaled = node("Div", {x, scalar(output + ".root2", std::sqrt(2.0))}, output + ".div");
      const std::string erf = node("Erf", {scaled}, output + ".erf");
      const std::string one = node("Add", {erf, scalar(output + ".one", 1)}, output + ".add");
      return node("Mul", {node("Mul", {x, one}, output + ".mul"), scalar(output + ".half", 0.5)}, output);
    }
  }
  return x;
}

void Exporter::add_step(const Step& step) {
  std::vector<std::string> in;
  for (const ValueId id : step.inputs) in.push_back(names_.at(id));
  const Op* op = step.op.get();
  const Activation* joined = op->joined();
  const bool activated = joined && *joined;
  const std::string out = output_of(step), own = activated ? out + ".before_" + name_of(joined->kind) : out;
  const auto with_bias = [&](std::vector<std::string> inputs, bool bias) {
    inputs.push_back(parameter(step, 0));
    if (bias) inputs.push_back(parameter(step, 1));
    return inputs;
  };
  std::string made;
  if (const auto* conv = dynamic_cast<const ConvOp*>(op)) {
    made =
        node("Conv", with_bias(in, conv->bias), own,
             {Attribute::integers("kernel_shape", sides(conv->kernel_h, conv->kernel_w)),
              Attribute::integers("strides", sides(conv->stride_h, conv->stride_w)),
              Attribute::integers("dilations", sides(conv->dilation_h, conv->dilation_w)),
              Attribute::integers("pads", {conv->pad_top, conv->pad_left, conv->pad_bottom, conv->pad_right}),
              Attribute::integer("group", conv->groups)});
  } else if (const auto* linear = dynamic_cast<const LinearOp*>(op)) {
    made = node("Gemm", with_bias(in, linear->bias), own, {Attribute::integer("transB", 1)});
  } else if (const auto* norm = dynamic_cast<const BatchNormOp*>(op)) {
    made = node("BatchNormalization",
                {in[0], parameter(step, 0), parameter(step, 1), statistic(step, 0), statistic(step, 1)}, own,
                {Attribute::real("epsilon", norm->epsilon)});
  } else if (const auto* f = dynamic_cast<const ActivationOp*>(op)) {
    made = activation(in[0], f->function, own);
  } else if (const auto* max = dynamic_cast<const MaxPoolOp*>(op)) {
    made = node("MaxPool", in, own, pool_attributes(max->pool, graph_.shape(step.inputs[0])));
  } else if (const auto* mean = dynamic_cast<const AveragePoolOp*>(op)) {
    std::vector<Attribute> attributes = pool_attributes(mean->pool, graph_.shape(step.inputs[0]));
    attributes.push_back(Attribute::integer("count_include_pad", counts_padding(mean->pool, step.name)));
    made = node("AveragePool", in, own, attributes);
  } else if (dynamic_cast<const GlobalAveragePoolOp*>(op)) {
    made =
        node("Flatten", {node("GlobalAveragePool", in, own + ".pool")}, own, {Attribute::integer("axis", 1)});
  } else if (dynamic_cast<const FlattenOp*>(op)) {
    made = node("Flatten", in, own, {Attribute::integer("axis", 1)});
  } else if (dynamic_cast<const AddOp*>(op)) {
    made = in.size() == 2 ? node("Add", in, own) : node("Sum", in, own);
  } else if (dynamic_cast<const MulOp*>(op)) {
    const bool factor = graph_.shape(step.inputs[0]).rank() == 3 && graph_.shape(step.inputs[1]).rank() == 1;
    if (factor) in[1] = node("Unsqueeze", {in[1], tensor(own + ".axes", {2, 3})}, own + ".factor");
    made = node("Mul", in, own);
  } else if (dynamic_cast<const ConcatOp*>(op)) {
    made = node("Concat", in, own, {Attribute::integer("axis", 1)});
  } else if (const auto* part = dynamic_cast<const ChannelsOp*>(op)) {
    made = node("Slice",
                {in[0], tensor(own + ".starts", {part->begin}),
                 tensor(own + ".ends", {part->begin + part->count}), tensor(own + ".axes", {1})},
                own);
  } else if (const auto* shuffle = dynamic_cast<const ShuffleChannelsOp*>(op)) {
    const Shape& s = graph_.shape(step.output);
    require(s.rank() == 3, "[onnx] a shuffle of {}", s);
    const std::string groups = node(
        "Reshape", {in[0], tensor(own + ".groups", {0, shuffle->groups, s[2] / shuffle->groups, s[0], s[1]})},
        own + ".grouped");
    const std::string dealt =
        node("Transpose", {groups}, own + ".dealt", {Attribute::integers("perm", {0, 2, 1, 3, 4})});
    made = node("Reshape", {dealt, tensor(own + ".shape", {0, s[2], s[0], s[1]})}, own);
  } else if (const auto* pick = dynamic_cast<const PickChannelsOp*>(op)) {
    const std::vector<std::int64_t> channels(pick->channels.begin(), pick->channels.end());
    made = node("Gather", {in[0], tensor(own + ".channels", channels)}, own, {Attribute::integer("axis", 1)});
  } else if (const auto* pad = dynamic_cast<const PadOp*>(op)) {
    made =
        node("Pad",
             {in[0], tensor(own + ".pads", {0, 0, pad->top, pad->left, 0, 0, pad->bottom, pad->right})}, own);
  } else if (dynamic_cast<const DropoutOp*>(op)) {
    made = node("Identity", in, own);
  } else {
    require(false, "[onnx] the op '{}' cannot be exported", op->type());
  }
  names_[step.output] = activated ? activation(made, *joined, out) : made;
}

}  // namespace espalier::onnx
