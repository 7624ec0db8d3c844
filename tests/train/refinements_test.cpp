// What training does besides its steps when asked to: gradients made shorter, weights averaged, the best epoch kept, an end
// when nothing gets better. Each against its definition, and resumed to the same bits.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "framework/core/interrupt.h"
#include "framework/graph/init.h"
#include "framework/io/safetensors.h"
#include "framework/train/clip.h"
#include "framework/train/epoch_row.h"
#include "framework/train/trainer.h"
#include "tests/support/expect_error.h"
#include "tests/support/pruning.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

TEST(Clip, LongGradientsAreScaledAndShortOnesLeftAlone) {
  ParameterStore store;
  store.declare("w", {2, 1}, Role::weight, constant(1));
  store.allocate(1);
  store.gradients()[0] = 3;
  store.gradients()[1] = 4;
  EXPECT_DOUBLE_EQ(clip_gradients(store, 10), 5);
  EXPECT_EQ(store.gradients()[0], Real(3)) << "within the limit: the same bits";
  EXPECT_DOUBLE_EQ(clip_gradients(store, 1), 5) << "the norm as it was";
  EXPECT_NEAR(store.gradients()[0], 0.6, 1e-6);
  EXPECT_NEAR(store.gradients()[1], 0.8, 1e-6);
}

TEST(Average, IsTheExponentialMovingOne) {
  ParameterStore store;
  store.declare("w", {1, 1}, Role::weight, constant(1));
  store.allocate(1);
  WeightAverage average(store, 0.75);
  double expected = 1;
  for (const double w : {3.0, -1.0, 2.0}) {
    store.values()[0] = static_cast<Real>(w);
    average.update(store);
    expected = 0.75 * expected + 0.25 * w;
  }
  EXPECT_NEAR(average.values()[0], expected, 1e-6);
  average.exchange(store);
  EXPECT_NEAR(store.values()[0], expected, 1e-6);
  average.exchange(store);
  EXPECT_EQ(store.values()[0], Real(2));
  average.restart(store);
  EXPECT_EQ(average.values()[0], Real(2)) << "after pruning it begins anew";
}

struct RefinementsTest : ::testing::Test {
  RefinementsTest() {
    data.source =
        made<DataSettings>(
            R"({"type": "synthetic", "classes": 4, "train": 120, "test": 60, "height": 6, "width": 6, "channels": 1, "noise": 1})")
            ->open();
    data.preprocessing = {6, 6, measure_normalization(data.source.train)};
    settings.epochs = 6;
    settings.batch_size = 20;
    settings.learning_rate.choose("cosine_restarts");
    settings.clip_norm = 0.5;
    settings.average_decay = 0.9;
    settings.keep_best = true;
  }
  std::unique_ptr<Model> fresh() const {
    return made<ModelSettings>(R"({"type": "sequential", "layers": ["flatten", {"type": "linear", "out": 16}, "relu",
      {"type": "linear", "out": 4}]})")
        ->build({6, 6, 1}, 4, 1);
  }
  /// Trains in `path`, stopped after its first step if asked to; returns the weights that the network ends with.
  std::vector<Real> train(const std::filesystem::path& path, bool stop, bool resume) {
    const auto model = fresh();
    RunFolder folder(path);
    MetricsLog metrics(path, resume ? MetricsLog::keep_all : 0);
    RunContext context{*model, data, folder, metrics, 1, "{}", true};
    Trainer trainer(context, settings);
    if (resume) trainer.resume();
    if (stop) {
      request_stop();
      testing::expect_error(ExitCode::interrupted, {"continue with --resume"}, [&] { trainer.run(); });
      return {};
    }
    trainer.run();
    accuracy = trainer.evaluate_test().accuracy;
    best = trainer.best_accuracy();
    best_epoch = trainer.best_epoch();
    ended = trainer.ended_early();
    trainer.mark_complete();
    rows = metrics.rows();
    return {model->store().values().begin(), model->store().values().end()};
  }
  LoadedData data;
  TrainSettings settings;
  double accuracy = 0, best = 0;
  int best_epoch = 0;
  bool ended = false;
  std::vector<MetricsRow> rows;
};

TEST_F(RefinementsTest, AStoppedRunGoesOnToTheSameBitsWithAllOfThem) {
  const testing::TempFolder folder;
  const std::vector<Real> whole = train(folder / "whole", false, false);
  const int epoch = best_epoch;
  (void)train(folder / "parts", true, false);
  EXPECT_EQ(train(folder / "parts", false, true), whole);
  EXPECT_EQ(best_epoch, epoch);
}

TEST_F(RefinementsTest, TheAverageIsWhatIsTestedAndSavedAndTrainingGoesOnWithTheWeights) {
  const testing::TempFolder folder;
  const std::vector<Real> shown = train(folder / "run", false, false);
  const TensorFile state = read_safetensors(folder / "run" / "state.safetensors");
  const std::vector<float> average = to_floats(*state.find("average")), weights = to_floats(*state.find("values"));
  EXPECT_TRUE(std::equal(shown.begin(), shown.end(), average.begin(), [](Real a, float b) { return a == static_cast<Real>(b); }));
  EXPECT_FALSE(std::equal(weights.begin(), weights.end(), average.begin()));
  EXPECT_DOUBLE_EQ(accuracy, read_row<EpochRow>(rows.back())->test_accuracy);
}

TEST_F(RefinementsTest, TheBestEpochIsKept) {
  const testing::TempFolder folder;
  (void)train(folder / "run", false, false);
  double highest = 0;
  int epoch = 0;
  for (const EpochRow& row : rows_of<EpochRow>(rows))
    if (row.test_accuracy > highest) highest = row.test_accuracy, epoch = static_cast<int>(row.epoch);
  EXPECT_EQ(best, highest);
  EXPECT_EQ(best_epoch, epoch) << "of equals the first";
  const TensorFile kept = read_safetensors(folder / "run" / "best.safetensors");
  EXPECT_EQ(kept.metadata.at("epoch"), std::to_string(epoch));
}

TEST_F(RefinementsTest, PatienceEndsTheRunAndItStaysEnded) {
  settings.epochs = 60;
  settings.patience = 2;
  settings.keep_best = false;
  const testing::TempFolder folder;
  (void)train(folder / "run", false, false);
  ASSERT_TRUE(ended) << "noise this strong is learnt in a few epochs";
  const auto trained = rows_of<EpochRow>(rows).size();
  EXPECT_EQ(static_cast<int>(trained), best_epoch + 2);
  (void)train(folder / "run", false, true);
  EXPECT_EQ(rows_of<EpochRow>(rows).size(), trained) << "there is nothing to go on with";
}

TEST(Defaults, AreOff) {
  const TrainSettings settings;
  EXPECT_EQ(settings.clip_norm, 0);
  EXPECT_EQ(settings.average_decay, 0);
  EXPECT_EQ(settings.patience, 0);
  EXPECT_FALSE(settings.keep_best || settings.tensorboard);
}

}  // namespace
}  // namespace espalier
