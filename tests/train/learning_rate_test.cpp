// Each schedule is a formula of time; the tests are its values at the points that matter.
#include "framework/train/learning_rate.h"

#include <gtest/gtest.h>

#include "framework/config/reader.h"

namespace espalier {
namespace {

struct Holder {
  Variant<LearningRateSettings> rate;
  void fields(Fields& f) { f.required().variant("rate", rate, "rate"); }
};
double at(const std::string& settings, double epoch, double epochs) {
  Holder h;
  read_config(JsonDocument::parse("{\"rate\": " + settings + "}", "test"), h);
  return h.rate->at(epoch, epochs);
}

TEST(LearningRate, ConstantStaysAndWarmUpRisesLinearly) {
  EXPECT_DOUBLE_EQ(at(R"({"type": "constant", "rate": 0.4})", 7.5, 10), 0.4);
  EXPECT_DOUBLE_EQ(at(R"({"type": "constant", "rate": 0.4, "warmup_epochs": 2})", 0.5, 10), 0.1);
  EXPECT_DOUBLE_EQ(at(R"({"type": "constant", "rate": 0.4, "warmup_epochs": 2})", 2, 10), 0.4);
}
TEST(LearningRate, StepsDropAtTheirEpochs) {
  const char* step = R"({"type": "step", "rate": 1, "every": 3, "gamma": 0.5})";
  EXPECT_DOUBLE_EQ(at(step, 2.999, 10), 1);
  EXPECT_DOUBLE_EQ(at(step, 3, 10), 0.5);
  EXPECT_DOUBLE_EQ(at(step, 6, 10), 0.25);
  const char* multi = R"({"type": "multi_step", "rate": 1, "milestones": [4, 5], "gamma": 0.1})";
  EXPECT_DOUBLE_EQ(at(multi, 3.9, 10), 1);
  EXPECT_DOUBLE_EQ(at(multi, 4, 10), 0.1);
  EXPECT_DOUBLE_EQ(at(multi, 9, 10), 0.01);
}
TEST(LearningRate, ExponentialFallsByAFactorAnEpoch) {
  EXPECT_DOUBLE_EQ(at(R"({"type": "exponential", "rate": 2, "gamma": 0.25})", 0.5, 10), 1);
}
TEST(LearningRate, CosineIsWholeHalfAndFinalShare) {
  const char* cosine = R"({"type": "cosine", "rate": 1, "final_share": 0.1})";
  EXPECT_DOUBLE_EQ(at(cosine, 0, 10), 1);
  EXPECT_DOUBLE_EQ(at(cosine, 5, 10), 0.55);
  EXPECT_DOUBLE_EQ(at(cosine, 10, 10), 0.1);
}
TEST(LearningRate, CosinesRestartAndGrow) {
  const char* cosines = R"({"type": "cosine_restarts", "rate": 2, "period": 2, "growth": 2})";
  EXPECT_DOUBLE_EQ(at(cosines, 0, 100), 2);
  EXPECT_NEAR(at(cosines, 1, 100), 1, 1e-12) << "half way down";
  EXPECT_DOUBLE_EQ(at(cosines, 2, 100), 2) << "anew";
  EXPECT_NEAR(at(cosines, 4, 100), 1, 1e-12) << "the second period has four epochs";
  EXPECT_DOUBLE_EQ(at(cosines, 6, 100), 2);
}
TEST(LearningRate, MilestonesMustIncrease) {
  EXPECT_THROW(at(R"({"type": "multi_step", "milestones": [5, 4]})", 0, 1), Error);
}

}  // namespace
}  // namespace espalier
