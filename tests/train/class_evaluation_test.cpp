// class_evaluation_test.cpp: accuracy by class, confusion, top-5 and calibration against counting by hand.
#include "framework/train/class_evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/graph/builder.h"
#include "framework/graph/ops.h"
#include "framework/infer/engine.h"
#include "tests/support/images.h"

namespace espalier {
namespace {

/// A network whose logits are the image: one pixel of as many channels as classes.
Engine identity(int classes) {
  GraphBuilder net({1, 1, classes});
  net.add("flatten", FlattenOp{});
  LinearOp linear;
  linear.out = classes;
  linear.bias = false;
  net.add("fc", linear);
  const Graph graph = net.finish();
  Weights weights;
  Tensor& w = weights.tensors["fc.weight"] = Tensor::zeros({classes, classes});
  for (int k = 0; k < classes; ++k) w.data()[k * classes + k] = 1;
  return {graph, weights};
}

struct Case {
  ImageSet set;
  Preprocessing preprocessing;
};
/// One image for each row of logits, in 255ths.
Case images_of(const std::vector<std::vector<int>>& logits, const std::vector<std::int32_t>& labels) {
  const int classes = static_cast<int>(logits[0].size());
  Case c;
  c.set = {1, 1, classes, {}, labels};
  for (const auto& row : logits)
    for (const int v : row) c.set.pixels.push_back(static_cast<std::uint8_t>(v));
  const auto n = static_cast<std::size_t>(classes);
  c.preprocessing = {1, 1, {std::vector<double>(n, 0), std::vector<double>(n, 1.0 / 255)}};  // x = the byte
  return c;
}

TEST(ClassEvaluation, CountsWhatIsTakenForWhat) {
  const Case c = images_of({{9, 1, 1}, {1, 9, 1}, {9, 1, 1}, {1, 1, 9}, {1, 1, 9}}, {0, 0, 0, 2, 1});
  const ClassEvaluation e = evaluate_classes(identity(3), c.set, c.preprocessing);
  EXPECT_EQ(e.confusion, (std::vector<Index>{2, 1, 0, 0, 0, 1, 0, 0, 1}));
  EXPECT_DOUBLE_EQ(e.all.accuracy, 0.6);
  EXPECT_DOUBLE_EQ(e.accuracy_of(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(e.accuracy_of(1), 0);
  EXPECT_EQ(e.images_of(0), 3);
  const Evaluation plain = evaluate(identity(3), c.set, c.preprocessing);
  EXPECT_EQ(plain.accuracy, e.all.accuracy);
  EXPECT_EQ(plain.loss, e.all.loss);
}

TEST(ClassEvaluation, TheBestFiveAreFive) {
  const Case c =
      images_of({{7, 6, 5, 4, 3, 2, 1}, {7, 6, 5, 4, 3, 2, 1}, {7, 6, 5, 4, 3, 2, 1}, {5, 5, 5, 5, 5, 5, 5}},
                {4, 5, 0, 5});
  const ClassEvaluation e = evaluate_classes(identity(7), c.set, c.preprocessing);
  EXPECT_DOUBLE_EQ(e.top5, 0.5);  // ranks 4 and 0 are in; 5 is not, nor the sixth of equal ones
}

TEST(ClassEvaluation, CalibrationIsTheMeanDistanceOfConfidenceAndAccuracy) {
  // Two classes, confidences of two kinds: 1/(1+e^-1) = 0.731 and 1/(1+e^-3) = 0.953.
  const Case c = images_of({{1, 0}, {1, 0}, {1, 0}, {1, 0}, {3, 0}, {3, 0}}, {0, 0, 0, 1, 0, 1});
  const ClassEvaluation e = evaluate_classes(identity(2), c.set, c.preprocessing);
  const double low = 1 / (1 + std::exp(-1.0)), high = 1 / (1 + std::exp(-3.0));
  EXPECT_NEAR(e.calibration_error, (4 * std::abs(0.75 - low) + 2 * std::abs(0.5 - high)) / 6, 1e-6);
  EXPECT_EQ(e.bins[10].images, 4);  // 0.731 * 15 = 10.97
  EXPECT_EQ(e.bins[14].images, 2);
  EXPECT_NEAR(e.bins[10].accuracy, 0.75, 1e-12);
  EXPECT_NEAR(e.bins[14].confidence, high, 1e-6);
}

TEST(ImagesPerPass, AreFewerOfLargeOnes) {
  EXPECT_EQ(images_per_pass(32, 32), 250);
  EXPECT_EQ(images_per_pass(64, 64), 250);
  EXPECT_EQ(images_per_pass(224, 224), 20);
  EXPECT_EQ(images_per_pass(2000, 2000), 8);
}

}  // namespace
}  // namespace espalier
