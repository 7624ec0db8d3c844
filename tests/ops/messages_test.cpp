// messages_test.cpp: an op that is given what it cannot take says its name, the shapes and the rule.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "framework/autograd/arithmetic.h"
#include "framework/ops/ops.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

struct Mistake {
  std::string name;
  std::vector<std::string> said;
  std::function<void()> act;
};
void PrintTo(const Mistake& m, std::ostream* out) { *out << m.name; }

Var zeros(const Shape& s) { return Var(Tensor::zeros(s)); }

const ConvGeometry& geometry() {
  static const ConvGeometry g = conv_geometry("test", {1, 4, 4, 2}, {3, 3, 3, 2}, {});
  return g;
}

std::vector<Mistake> mistakes() {
  static const std::int32_t labels[] = {0, 3}, negative[] = {-1, 0};
  return {
      {"add",
       {"[add]", "{2,3}", "{3,2}"},
       [] {
         add(zeros({2, 3}), zeros({3, 2}));
       }},
      {"subtract", {"[subtract]", "{2}", "{3}"}, [] { subtract(zeros({2}), zeros({3})); }},
      {"multiply",
       {"[multiply]", "{2,1}", "{2,3}"},
       [] {
         multiply(zeros({2, 1}), zeros({2, 3}));
       }},
      {"dot", {"[multiply]", "{2}", "{4}"}, [] { dot(zeros({2}), zeros({4})); }},
      {"reshape",
       {"[reshape]", "{2,3}", "{4,2}"},
       [] {
         reshape(zeros({2, 3}), {4, 2});
       }},
      {"spread_channels",
       {"[spread_channels]", "{3}", "{2,4}"},
       [] {
         spread_channels(zeros({3}), {2, 4});
       }},
      {"channel_affine",
       {"[channel_affine]", "{2,4}", "{4}"},
       [] {
         channel_affine(zeros({2, 4}), zeros({3}), Var());
       }},
      {"sum_rows",
       {"[sum_rows]", "[n, k]", "{2,3,4}"},
       [] {
         sum_rows(zeros({2, 3, 4}));
       }},
      {"spread_rows",
       {"[spread_rows]", "[n]", "{2,3}"},
       [] {
         spread_rows(zeros({2, 3}), 4);
       }},
      {"spread_all", {"[spread_all]", "[1]", "{2}"}, [] { spread_all(zeros({2}), {3}); }},
      {"keep_positive", {"[keep_positive]", "{2}", "{3}"}, [] { keep_positive(zeros({2}), zeros({3})); }},
      {"keep_within", {"[keep_within]", "{2}", "{3}"}, [] { keep_within(zeros({2}), zeros({3}), 0, 1); }},
      {"hard_swish_gradient",
       {"[hard_swish_gradient]", "{2}", "{3}"},
       [] { hard_swish_gradient(zeros({2}), zeros({3}), Activation::Kind::hard_swish); }},
      {"dropout_rate_1",
       {"[dropout]", "1", "[0, 1)"},
       [] {
         dropout(zeros({2, 2}), 1, 0);
       }},
      {"dropout_rate_negative",
       {"[dropout]", "-0.5"},
       [] {
         dropout(zeros({2, 2}), -0.5, 0);
       }},
      {"matmul_rank",
       {"[matmul]", "matrices", "{2,3,1}"},
       [] {
         matmul(zeros({2, 3, 1}), zeros({3, 2}));
       }},
      {"matmul_inner",
       {"[matmul]", "inner", "{2,3}", "{2,4}'"},
       [] {
         matmul(zeros({2, 3}), zeros({2, 4}), false, true);
       }},
      {"linear",
       {"[linear]", "{2,3}", "{5,4}"},
       [] {
         linear(zeros({2, 3}), zeros({5, 4}), Var());
       }},
      {"linear_image",
       {"[linear]", "{2,3,3,1}"},
       [] {
         linear(zeros({2, 3, 3, 1}), zeros({5, 9}), Var());
       }},
      {"linear_bias",
       {"[linear]", "bias", "{4}", "{5,3}", "{5}"},
       [] {
         linear(zeros({2, 3}), zeros({5, 3}), zeros({4}));
       }},
      {"conv2d_channels",
       {"[conv2d]", "16 channels", "expects 3", "{2,8,8,16}", "{4,5,5,3}"},
       [] {
         conv2d(zeros({2, 8, 8, 16}), zeros({4, 5, 5, 3}), Var(), {});
       }},
      {"conv2d_groups",
       {"[conv2d]", "{2,8,8,4}", "2 groups"},
       [] {
         conv2d(zeros({2, 8, 8, 4}), zeros({3, 3, 3, 2}), Var(), {.groups = 2});
       }},
      {"conv2d_rank",
       {"[conv2d]", "{2,64}", "[n,h,w,c]"},
       [] {
         conv2d(zeros({2, 64}), zeros({4, 5, 5, 3}), Var(), {});
       }},
      {"conv2d_too_large",
       {"[conv2d]", "kernel 5", "padded input 4"},
       [] {
         conv2d(zeros({1, 4, 4, 1}), zeros({1, 5, 5, 1}), Var(), {});
       }},
      {"conv2d_stride",
       {"[conv2d]", "stride 0"},
       [] {
         conv2d(zeros({1, 4, 4, 1}), zeros({1, 3, 3, 1}), Var(), {.stride = 0});
       }},
      {"conv2d_bias",
       {"[conv2d]", "bias", "{4}"},
       [] {
         conv2d(zeros({1, 4, 4, 1}), zeros({4, 3, 3, 1}), zeros({3}), {});
       }},
      {"conv2d_input_grad",
       {"[conv2d_input_grad]", "{1,3,3,3}", "{1,2,2,3}"},
       [] {
         conv2d_input_grad(zeros({1, 3, 3, 3}), zeros({3, 3, 3, 2}), geometry());
       }},
      {"conv2d_weight_grad",
       {"[conv2d_weight_grad]", "{1,4,4,3}", "{1,4,4,2}"},
       [] {
         conv2d_weight_grad(zeros({1, 4, 4, 3}), zeros({1, 2, 2, 3}), geometry());
       }},
      {"max_pool_rank",
       {"[max_pool]", "{2,4}"},
       [] {
         max_pool(zeros({2, 4}), {2, 2});
       }},
      {"max_pool_window",
       {"[max_pool]", "window 3", "{1,2,4,1}"},
       [] {
         max_pool(zeros({1, 2, 4, 1}), {3, 2});
       }},
      {"average_pool_stride",
       {"[average_pool]", "stride 0"},
       [] {
         average_pool(zeros({1, 4, 4, 1}), {2, 0});
       }},
      {"global_average_pool",
       {"[global_average_pool]", "{2,4}"},
       [] {
         global_average_pool(zeros({2, 4}));
       }},
      {"batch_norm_eval",
       {"[batch_norm_eval]", "{2,4}", "{4}", "{3}"},
       [] {
         batch_norm_eval(zeros({2, 4}), zeros({3}), zeros({4}), Tensor::zeros({4}), Tensor::zeros({4}), 1e-5);
       }},
      {"batch_norm_eval_statistics",
       {"[batch_norm_eval]", "{2,4}", "{3}"},
       [] {
         batch_norm_eval(zeros({2, 4}), zeros({4}), zeros({4}), Tensor::zeros({3}), Tensor::zeros({3}), 1e-5);
       }},
      {"batch_norm_train_single",
       {"[batch_norm_train]", "no variance", "{1,4}"},
       [] {
         BatchMoments m;
         batch_norm_train(zeros({1, 4}), zeros({4}), zeros({4}), 1e-5, m);
       }},
      {"flatten",
       {"[flatten]", "[n,h,w,c]", "{2,4}"},
       [] {
         flatten(zeros({2, 4}));
       }},
      {"unflatten",
       {"[unflatten]", "{2,5}", "{2,2,2,1}"},
       [] {
         unflatten(zeros({2, 5}), {2, 2, 2, 1});
       }},
      {"softmax", {"[softmax]", "[n, k]", "{3}"}, [] { softmax(zeros({3})); }},
      {"cross_entropy_count",
       {"[cross_entropy]", "{3,4}", "2 labels"},
       [] {
         cross_entropy(zeros({3, 4}), labels);
       }},
      {"cross_entropy_range",
       {"[cross_entropy]", "0..3", "3 classes"},
       [] {
         cross_entropy(zeros({2, 3}), labels);
       }},
      {"cross_entropy_negative",
       {"[cross_entropy]", "-1"},
       [] {
         cross_entropy(zeros({2, 3}), negative);
       }},
      {"cross_entropy_rank", {"[cross_entropy]", "{2}"}, [] { cross_entropy(zeros({2}), labels); }},
      {"cross_entropy_smoothing",
       {"[cross_entropy]", "smoothing", "1.5"},
       [] {
         cross_entropy(zeros({2, 4}), labels, 1.5);
       }},
  };
}

class Message : public ::testing::TestWithParam<Mistake> {};
TEST_P(Message, NamesOpShapesAndRule) {
  const Mistake& m = GetParam();
  for (const std::string& part : m.said) espalier::testing::expect_error(ExitCode::internal, {part}, m.act);
}
INSTANTIATE_TEST_SUITE_P(Table, Message, ::testing::ValuesIn(mistakes()),
                         [](const ::testing::TestParamInfo<Mistake>& row) { return row.param.name; });

}  // namespace
}  // namespace espalier::test
