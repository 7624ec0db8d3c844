// op_cases.h: one row per op and variant. A row buys every check of support/check_op.h. The test fails when
// an op that ops.h or arithmetic.h declares has no row here.
#pragma once

#include <cmath>
#include <ostream>
#include <utility>

#include "framework/graph/channel_ops.h"
#include "framework/graph/pad_op.h"
#include "framework/ops/ops.h"
#include "tests/support/check_op.h"

namespace espalier::test {

inline void PrintTo(const OpCase& c, std::ostream* out) { *out << c.name; }

inline Input batched(const Shape& s, Fill fill = Fill::normal) { return {s, Kind::batched, fill}; }
inline Input parameter(const Shape& s, Fill fill = Fill::normal) { return {s, Kind::parameter, fill}; }
inline Input constant(const Shape& s, Fill fill = Fill::normal) { return {s, Kind::constant, fill}; }
inline Input whole(const Shape& s, Fill fill = Fill::normal) { return {s, Kind::whole, fill}; }

inline std::vector<std::int32_t> labels_from(const Var& values, Index classes) {
  std::vector<std::int32_t> labels;
  for (const Real v : values.value().values())
    labels.push_back(static_cast<std::int32_t>(std::abs(static_cast<int>(v * 100)) % classes));
  return labels;
}

inline OpCase conv_case(const char* name, const Shape& x, const Shape& w, const Conv2dSpec& spec, bool bias) {
  const auto with = [](const Conv2dSpec& s) {
    return [s](const Vars& v) { return conv2d(v[0], v[1], v.size() > 2 ? v[2] : Var(), s); };
  };
  OpCase c{name, "conv2d", {batched(x), parameter(w)}, with(spec)};
  if (bias) c.inputs.push_back(parameter({w[0]}));
  if (spec.relu) {
    Conv2dSpec plain = spec;
    plain.relu = false;
    c.before_relu = with(plain);
  } else {
    c.linear = bias ? std::vector<int>{0, 1, 2} : std::vector<int>{0, 1};
  }
  return c;
}

inline OpCase matmul_case(const char* name, bool ta, bool tb) {
  // Where a is transposed its axis 0 is summed over, so there are no examples to tell apart.
  const Shape a = ta ? Shape{4, 3} : Shape{3, 4}, b = tb ? Shape{5, 4} : Shape{4, 5};
  return {name,
          "matmul",
          {ta ? whole(a) : batched(a), ta ? whole(b) : parameter(b)},
          [ta, tb](const Vars& v) { return matmul(v[0], v[1], ta, tb); },
          {0, 1},
          !ta};
}

inline std::vector<OpCase> arithmetic_cases() {
  const Shape s{3, 2, 2, 4};
  return {
      {"add", "add", {batched(s), batched(s)}, [](const Vars& v) { return add(v[0], v[1]); }, {0, 1}},
      {"add_to_itself", "add", {batched(s)}, [](const Vars& v) { return add(v[0], v[0]); }, {0}},
      {"subtract",
       "subtract",
       {batched(s), batched(s)},
       [](const Vars& v) { return subtract(v[0], v[1]); },
       {0, 1}},
      {"multiply",
       "multiply",
       {batched(s), batched(s)},
       [](const Vars& v) { return multiply(v[0], v[1]); },
       {0, 1}},
      {"square", "multiply", {batched(s)}, [](const Vars& v) { return multiply(v[0], v[0]); }},
      {"scale", "scale", {batched(s)}, [](const Vars& v) { return scale(v[0], Real(-1.75)); }, {0}},
      {"reciprocal_sqrt",
       "reciprocal_sqrt",
       {batched({3, 5}, Fill::positive)},
       [](const Vars& v) { return reciprocal_sqrt(v[0]); }},
      {"reshape",
       "reshape",
       {batched({3, 8})},
       [](const Vars& v) {
         return reshape(v[0], {v[0].shape()[0], 2, 2, 2});
       },
       {0}},
      {"reshape_merges_examples",
       "reshape",
       {batched({3, 8})},
       [](const Vars& v) {
         return reshape(v[0], {6, 4});
       },
       {0},
       false},
      {"sum_to_channels",
       "sum_to_channels",
       {batched(s)},
       [](const Vars& v) { return sum_to_channels(v[0]); },
       {0},
       false},
      {"spread_channels",
       "spread_channels",
       {whole({4})},
       [s](const Vars& v) { return spread_channels(v[0], s); },
       {0},
       false},
      {"channel_affine",
       "channel_affine",
       {batched(s), parameter({4}), parameter({4})},
       [](const Vars& v) { return channel_affine(v[0], v[1], v[2]); },
       {0, 1, 2}},
      {"channel_affine_without_shift",
       "channel_affine",
       {batched({5, 3}), whole({3})},
       [](const Vars& v) { return channel_affine(v[0], v[1], Var()); },
       {0, 1}},
      {"sum_rows", "sum_rows", {batched({3, 5})}, [](const Vars& v) { return sum_rows(v[0]); }, {0}},
      {"spread_rows", "spread_rows", {batched({3})}, [](const Vars& v) { return spread_rows(v[0], 5); }, {0}},
      {"sum_all", "sum_all", {batched(s)}, [](const Vars& v) { return sum_all(v[0]); }, {0}, false},
      {"spread_all",
       "spread_all",
       {whole({1})},
       [s](const Vars& v) { return spread_all(v[0], s); },
       {0},
       false},
      {"dot", "dot", {batched(s), batched(s)}, [](const Vars& v) { return dot(v[0], v[1]); }, {0, 1}, false},
  };
}

inline std::vector<OpCase> activation_cases() {
  const Shape s{3, 2, 3, 2};
  return {
      {"relu", "relu", {batched(s, Fill::spaced)}, [](const Vars& v) { return relu(v[0]); }},
      {"leaky_relu",
       "activate",
       {batched(s, Fill::spaced)},
       [](const Vars& v) {
         return activate(v[0], {Activation::Kind::leaky_relu, 0.2});
       }},
      // Kinks midway between spaced values: positive ones are multiples of 0.05, negative ones lie 0.025
      // beside them.
      {"clip",
       "activate",
       {batched(s, Fill::spaced)},
       [](const Vars& v) {
         return activate(v[0], {Activation::Kind::clip, -0.4, 0.525});
       }},
      {"hard_sigmoid",
       "activate",
       {batched(s, Fill::spaced)},
       [](const Vars& v) {
         return activate(v[0], {Activation::Kind::hard_sigmoid, 1 / 1.225, 0.5 / 1.225});
       }},
      {"hard_swish",
       "activate",
       {batched(s, Fill::spaced)},
       [](const Vars& v) {
         constexpr double c = 6 / 1.475;  // kinks at 0.725 and -0.75
         const Var shift(Tensor::full(v[0].shape(), static_cast<Real>(0.0125 * c)));
         return activate(add(scale(v[0], static_cast<Real>(c)), shift), Activation::Kind::hard_swish);
       }},
      {"sigmoid",
       "activate",
       {batched(s)},
       [](const Vars& v) { return activate(v[0], Activation::Kind::sigmoid); }},
      {"tanh",
       "activate",
       {batched(s)},
       [](const Vars& v) { return activate(v[0], Activation::Kind::tanh); }},
      {"elu",
       "activate",
       {batched(s, Fill::spaced)},
       [](const Vars& v) {
         return activate(v[0], {Activation::Kind::elu, 0.7});
       }},
      {"gelu",
       "activate",
       {batched(s)},
       [](const Vars& v) { return activate(v[0], Activation::Kind::gelu); }},
      {"silu",
       "activate",
       {batched(s)},
       [](const Vars& v) { return activate(v[0], Activation::Kind::silu); }},
      {"concat",
       "concat",
       {batched({3, 2, 2, 1}), batched({3, 2, 2, 3}), batched({3, 2, 2, 2})},
       [](const Vars& v) { return concat(v); },
       {0, 1, 2}},
      {"concat_of_six",
       "concat",
       {batched({3, 2}), batched({3, 1}), batched({3, 4})},
       [](const Vars& v) {
         return concat(Vars{v[0], v[1], v[2], multiply(v[1], v[1]), v[0], multiply(v[2], v[2])});
       }},
      {"narrow", "narrow", {batched(s)}, [](const Vars& v) { return narrow(v[0], 1, 1); }, {0}},
      {"widen", "widen", {batched(s)}, [](const Vars& v) { return widen(v[0], 2, 5); }, {0}},
      {"multiply_channels",
       "multiply_channels",
       {batched(s), batched({3, 2})},
       [](const Vars& v) { return multiply_channels(v[0], v[1]); },
       {0, 1}},
      {"add_relu",
       "add_relu",
       {batched(s), batched(s)},
       [](const Vars& v) { return add_relu(v[0], v[1]); },
       {},
       true,
       [](const Vars& v) { return add(v[0], v[1]); }},
      {"keep_positive",
       "keep_positive",
       {batched(s), constant(s, Fill::spaced)},
       [](const Vars& v) { return keep_positive(v[0], v[1]); },
       {0}},
      {"keep_within",
       "keep_within",
       {batched(s), constant(s, Fill::spaced)},
       [](const Vars& v) { return keep_within(v[0], v[1], Real(-0.4), Real(0.525)); },
       {0}},
      {"hard_swish_gradient",
       "hard_swish_gradient",
       {batched(s, Fill::spaced), batched(s)},
       [](const Vars& v) {
         constexpr double c = 6 / 1.475;  // kinks at 0.725 and -0.75
         const Var shift(Tensor::full(v[0].shape(), static_cast<Real>(0.0125 * c)));
         return hard_swish_gradient(add(scale(v[0], static_cast<Real>(c)), shift), v[1],
                                    Activation::Kind::hard_swish);
       }},
      {"dropout",
       "dropout",
       {batched({3, 7})},
       [](const Vars& v) { return dropout(v[0], 0.4, 11); },
       {0},
       false},
      {"dropout_of_nothing",
       "dropout",
       {batched({3, 7})},
       [](const Vars& v) { return dropout(v[0], 0, 11); },
       {0}},
      {"softmax", "softmax", {batched({3, 4})}, [](const Vars& v) { return softmax(v[0]); }},
      {"cross_entropy",
       "cross_entropy",
       {batched({3, 4}), constant({3})},
       [](const Vars& v) { return cross_entropy(v[0], labels_from(v[1], 4)); }},
      {"cross_entropy_smoothed",
       "cross_entropy",
       {batched({3, 4}), constant({3})},
       [](const Vars& v) { return cross_entropy(v[0], labels_from(v[1], 4), 0.1); }},
      {"flatten", "flatten", {batched({3, 2, 3, 4})}, [](const Vars& v) { return flatten(v[0]); }, {0}},
      {"unflatten",
       "unflatten",
       {batched({3, 24})},
       [](const Vars& v) {
         return unflatten(v[0], {3, 2, 3, 4});
       },
       {0}},
  };
}

inline std::vector<OpCase> linear_cases() {
  const auto plain = [](const Vars& v) { return linear(v[0], v[1], v.size() > 2 ? v[2] : Var()); };
  const auto rectified = [](const Vars& v) { return linear(v[0], v[1], v.size() > 2 ? v[2] : Var(), true); };
  const Input x = batched({3, 4}), w = parameter({5, 4}), b = parameter({5});
  return {
      matmul_case("matmul", false, false),
      matmul_case("matmul_b_transposed", false, true),
      matmul_case("matmul_a_transposed", true, false),
      matmul_case("matmul_both_transposed", true, true),
      {"linear", "linear", {x, w}, plain, {0, 1}},
      {"linear_bias", "linear", {x, w, b}, plain, {0, 1, 2}},
      {"linear_relu", "linear", {x, w}, rectified, {}, true, plain},
      {"linear_bias_relu", "linear", {x, w, b}, rectified, {}, true, plain},
  };
}

inline std::vector<OpCase> conv2d_cases() {
  const ConvGeometry g =
      conv_geometry("test", {3, 5, 6, 4}, {6, 3, 2, 2}, {.stride = 2, .pad = 1, .dilation = 1, .groups = 2});
  return {
      conv_case("conv2d", {3, 5, 4, 2}, {3, 3, 3, 2}, {}, false),
      conv_case("conv2d_bias", {3, 4, 4, 2}, {3, 3, 3, 2}, {.pad = 1}, true),
      conv_case("conv2d_1x1", {3, 3, 3, 4}, {2, 1, 1, 4}, {}, false),
      conv_case("conv2d_1x1_stride_2", {3, 5, 4, 3}, {2, 1, 1, 3}, {.stride = 2}, false),
      conv_case("conv2d_stride_2", {3, 6, 5, 2}, {3, 3, 3, 2}, {.stride = 2, .pad = 1}, false),
      conv_case("conv2d_stride_3_drops_a_column", {3, 6, 5, 2}, {3, 2, 2, 2}, {.stride = 3}, false),
      conv_case("conv2d_pad_2_kernel_5", {3, 4, 3, 2}, {2, 5, 5, 2}, {.pad = 2}, true),
      conv_case("conv2d_dilation_2", {3, 6, 7, 2}, {3, 3, 3, 2}, {.pad = 1, .dilation = 2}, false),
      conv_case("conv2d_groups_2", {3, 4, 4, 4}, {6, 3, 3, 2}, {.pad = 1, .groups = 2}, true),
      conv_case("conv2d_depthwise", {3, 4, 4, 3}, {3, 3, 3, 1}, {.pad = 1, .groups = 3}, false),
      conv_case("conv2d_rectangular_kernel", {3, 4, 5, 2}, {2, 1, 3, 2}, {}, false),
      conv_case("conv2d_asymmetric", {3, 5, 6, 2}, {3, 3, 2, 2},
                {.stride = {2, 1}, .pad = {0, 1, 1, 0}, .dilation = {1, 2}}, true),
      conv_case("conv2d_asymmetric_groups", {3, 5, 6, 4}, {2, 1, 3, 2},
                {.stride = {1, 2}, .pad = {1, 0, 0, 2}, .groups = 2}, true),
      conv_case("conv2d_everything", {3, 7, 6, 4}, {4, 3, 3, 2},
                {.stride = 2, .pad = 2, .dilation = 2, .groups = 2}, true),
      conv_case("conv2d_relu", {3, 4, 4, 2}, {3, 3, 3, 2}, {.relu = true}, false),
      conv_case("conv2d_bias_relu", {3, 4, 4, 2}, {3, 3, 3, 2}, {.stride = 2, .pad = 1, .relu = true}, true),
      // 16 channels: a shape of the register-tiled kernels in the float build.
      conv_case("conv2d_16_channels", {2, 4, 4, 16}, {16, 3, 3, 16}, {.pad = 1}, false),
      {"conv2d_input_grad",
       "conv2d_input_grad",
       {batched(g.output(3)), parameter(g.weight())},
       [g](const Vars& v) { return conv2d_input_grad(v[0], v[1], g); },
       {0, 1}},
      {"conv2d_weight_grad",
       "conv2d_weight_grad",
       {batched(g.input(3)), batched(g.output(3))},
       [g](const Vars& v) { return conv2d_weight_grad(v[0], v[1], g); },
       {0, 1},
       false},
  };
}

inline std::vector<OpCase> pool_and_norm_cases() {
  const Input image = batched({3, 5, 6, 2}, Fill::spaced);
  const Input x = batched({3, 2, 2, 2}), gamma = parameter({2}), beta = parameter({2});
  const auto eval = [](bool rectified) {
    return [rectified](const Vars& v) {
      const Real mean[] = {Real(0.3), Real(-0.7)}, variance[] = {Real(0.5), Real(2.5)};
      return batch_norm_eval(v[0], v[1], v[2], Tensor::from({2}, mean), Tensor::from({2}, variance), 1e-3,
                             rectified ? Activation::Kind::relu : Activation::Kind::none);
    };
  };
  const auto train = [](bool rectified) {
    return [rectified](const Vars& v) {
      BatchMoments moments;
      return batch_norm_train(v[0], v[1], v[2], 1e-3, moments,
                              rectified ? Activation::Kind::relu : Activation::Kind::none);
    };
  };
  return {
      {"max_pool",
       "max_pool",
       {image},
       [](const Vars& v) {
         return max_pool(v[0], {2, 2});
       }},
      {"max_pool_overlapping",
       "max_pool",
       {image},
       [](const Vars& v) {
         return max_pool(v[0], {3, 2});
       }},
      {"max_pool_relu",
       "max_pool",
       {image},
       [](const Vars& v) {
         return max_pool(v[0], {2, 1}, true);
       }},
      // Something nonlinear and increasing before the pool: only then does anything flow back through the
      // gather that is the rule of the pool's own rule.
      {"max_pool_of_curved",
       "max_pool",
       {image},
       [](const Vars& v) {
         return max_pool(add(scale(v[0], 20), multiply(v[0], v[0])), {3, 2});
       }},
      {"average_pool",
       "average_pool",
       {image},
       [](const Vars& v) {
         return average_pool(v[0], {2, 2});
       },
       {0}},
      {"average_pool_overlapping",
       "average_pool",
       {image},
       [](const Vars& v) {
         return average_pool(v[0], {3, 2});
       },
       {0}},
      {"max_pool_padded_relu",
       "max_pool",
       {image},
       [](const Vars& v) {
         return max_pool(v[0], {.kernel = {3, 2}, .stride = 2, .pad = {1, 0, 1, 1}}, true);
       }},
      {"max_pool_ceil_of_curved",
       "max_pool",
       {image},
       [](const Vars& v) {
         return max_pool(add(scale(v[0], 20), multiply(v[0], v[0])),
                         {.kernel = 2, .stride = 2, .ceil_mode = true});
       }},
      {"average_pool_padded",
       "average_pool",
       {image},
       [](const Vars& v) {
         return average_pool(v[0], {.kernel = 3, .stride = {2, 1}, .pad = 1});
       },
       {0}},
      {"average_pool_of_what_is_there",
       "average_pool",
       {image},
       [](const Vars& v) {
         return average_pool(
             v[0],
             {.kernel = 3, .stride = 2, .pad = {0, 1, 1, 1}, .ceil_mode = true, .count_padding = false});
       },
       {0}},
      {"shuffle_channels",
       "shuffle_channels",
       {batched({3, 2, 2, 6})},
       [](const Vars& v) { return shuffle_channels(v[0], 3); },
       {0}},
      {"pad_pixels",
       "pad_pixels",
       {batched({3, 2, 2, 2})},
       [](const Vars& v) {
         return pad_pixels(v[0], {1, 0, 2, 1});
       },
       {0}},
      {"crop_pixels",
       "crop_pixels",
       {batched({3, 4, 3, 2})},
       [](const Vars& v) {
         return crop_pixels(v[0], {1, 0, 1, 1});
       },
       {0}},
      {"pick_channels",
       "pick_channels",
       {batched({3, 2, 2, 6})},
       [](const Vars& v) {
         return pick_channels(v[0], {4, 0, 5});
       },
       {0}},
      {"place_channels",
       "place_channels",
       {batched({3, 3})},
       [](const Vars& v) {
         return place_channels(v[0], {4, 0, 5}, 6);
       },
       {0}},
      {"global_average_pool",
       "global_average_pool",
       {image},
       [](const Vars& v) { return global_average_pool(v[0]); },
       {0}},
      {"batch_norm_eval", "batch_norm_eval", {x, gamma, beta}, eval(false), {0, 1, 2}},
      {"batch_norm_eval_relu", "batch_norm_eval", {x, gamma, beta}, eval(true), {}, true, eval(false)},
      {"batch_norm_eval_rows", "batch_norm_eval", {batched({3, 2}), gamma, beta}, eval(false), {0, 1, 2}},
      {"batch_norm_train", "batch_norm_train", {x, gamma, beta}, train(false), {1, 2}, false},
      {"batch_norm_train_relu", "batch_norm_train", {x, gamma, beta}, train(true), {}, false, train(false)},
      {"batch_norm_train_rows",
       "batch_norm_train",
       {batched({5, 2}), gamma, beta},
       train(false),
       {1, 2},
       false},
  };
}

inline std::vector<OpCase> op_cases() {
  std::vector<OpCase> all;
  for (auto family :
       {arithmetic_cases(), activation_cases(), linear_cases(), conv2d_cases(), pool_and_norm_cases()})
    for (OpCase& c : family) all.push_back(std::move(c));
  return all;
}

}  // namespace espalier::test
