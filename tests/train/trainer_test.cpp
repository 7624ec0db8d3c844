// The parts of the training loop that can be checked on their own: batch-norm statistics re-estimated,
// evaluation, and that the steady state takes no memory from the system.
#include "framework/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "framework/core/buffer_pool.h"
#include "framework/core/parallel.h"
#include "tests/support/expect_error.h"
#include "tests/support/pruning.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

struct TrainerTest : ::testing::Test {
  TrainerTest() {
    data.source =
        made<DataSettings>(
            R"({"type": "synthetic", "classes": 3, "train": 96, "test": 30, "height": 12, "width": 12, "channels": 1})")
            ->open();
    data.preprocessing = {12, 12, measure_normalization(data.source.train)};
    model =
        made<ModelSettings>(
            R"({"type": "sequential", "layers": [{"type": "conv", "out": 4, "kernel": 3}, {"type": "batch_norm", "name": "bn"}, "relu",
      "global_average_pool", {"type": "linear", "out": 3}]})")
            ->build({12, 12, 1}, 3, 1);
  }
  LoadedData data;
  std::unique_ptr<Model> model;
};

TEST_F(TrainerTest, RecalibrationAveragesTheBatchesWhateverTheStatisticsWere) {
  ParameterStore& store = model->store();
  std::fill(store.statistics().begin(), store.statistics().end(), Real(77));
  recalibrate_batch_norm(*model, data, 96, 1, 96);
  const std::vector<Real> once(store.statistics().begin(), store.statistics().end());
  EXPECT_LT(std::abs(once[0]), 10) << "the old mean must not survive";
  std::fill(store.statistics().begin(), store.statistics().end(), Real(-5));
  recalibrate_batch_norm(*model, data, 96, 1,
                         48);  // two halves of the same images
  for (std::size_t c = 0; c < 4; ++c)
    EXPECT_NEAR(store.statistics()[c], once[c], 1e-4) << "means of halves average to the whole";
}

TEST_F(TrainerTest, RecalibrationGivesTheImagesOfAShortLastBatchNoMoreWeightThanOthers) {
  // 96 images at most 50 at a time are two batches of 48, as if 48 had been asked for.
  ParameterStore& store = model->store();
  recalibrate_batch_norm(*model, data, 0, 1, 48);
  const std::vector<Real> halves(store.statistics().begin(), store.statistics().end());
  recalibrate_batch_norm(*model, data, 0, 1, 50);
  EXPECT_TRUE(std::equal(halves.begin(), halves.end(), store.statistics().begin()));
}

TEST_F(TrainerTest, RecalibrationSeesTheImagesAsTrainingAugmentsThem) {
  // Crops with black borders have other statistics than plain images, and the network was trained on theirs.
  ParameterStore& store = model->store();
  const auto statistics = [&] {
    return std::vector<Real>(store.statistics().begin(), store.statistics().end());
  };
  recalibrate_batch_norm(*model, data, 0, 1, 96);
  const std::vector<Real> plain = statistics();
  data.augmentation = {.crop_padding = 4, .horizontal_flip = true};
  recalibrate_batch_norm(*model, data, 0, 1, 96);
  const std::vector<Real> augmented = statistics();
  EXPECT_GT(std::abs(augmented[0] - plain[0]), 1e-3);

  Batch batch;
  std::vector<Index> all(96);
  std::iota(all.begin(), all.end(), Index{0});
  load_examples(data.source.train, data.preprocessing, all, batch, data.augmentation, 1);
  Pass pass{.training = true, .statistics_momentum = 1};
  model->forward(batch.images, pass);
  const std::vector<Real> of_one_batch = statistics();
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(augmented[i], of_one_batch[i], 1e-4) << i;
}

/// A trainer of `settings` in a folder of its own.
struct Bench {
  Bench(Model& model, const LoadedData& data, const TrainSettings& settings)
      : context{model, data, folder, metrics, 1, "{}", true}, trainer(context, settings) {}
  testing::TempFolder temp;
  RunFolder folder{temp.path() / "run"};
  MetricsLog metrics{folder.path(), 0};
  RunContext context;
  Trainer trainer;
};

TEST_F(TrainerTest, ABatchOfOneExampleWithoutVarianceIsRefusedBeforeTraining) {
  const auto flat = made<ModelSettings>(
                        R"({"type": "sequential", "layers": ["flatten", {"type": "batch_norm", "name": "bn"},
                            {"type": "linear", "out": 3}]})")
                        ->build({12, 12, 1}, 3, 1);
  TrainSettings settings;
  for (const int batch : {95, 5, 19, 1}) {  // 96 images leave one over
    settings.batch_size = batch;
    testing::expect_error(ExitCode::config, {"bn.weight", "one value per channel", "train.batch_size"},
                          [&] { const Bench bench(*flat, data, settings); });
  }
  settings.batch_size = 32;
  const Bench fits(*flat, data, settings);
  settings.batch_size = 95;
  const std::vector<Real> before(model->store().statistics().begin(), model->store().statistics().end());
  const Bench has_pixels(*model, data, settings);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), model->store().statistics().begin()));
}

TEST_F(TrainerTest, WeightsThatDivergeInTheLastStepAreAnErrorAndNotSaved) {
  TrainSettings settings;
  settings.epochs = 1;
  settings.batch_size = 96;  // a single step: no later loss would tell
  settings.learning_rate.choose("constant");
  settings.learning_rate->rate = 1e300;
  Bench bench(*model, data, settings);
  testing::expect_error(ExitCode::numeric, {"diverged", "No checkpoint was saved yet", "learning_rate"},
                        [&] { bench.trainer.run(); });
  EXPECT_FALSE(std::filesystem::exists(bench.folder.checkpoint()));
}

TEST_F(TrainerTest, AStopAskedForBeforeTheRunEndsItAfterItsFirstStepAndItIsResumedToTheSameBits) {
  TrainSettings settings;
  settings.epochs = 2;
  settings.batch_size = 32;
  settings.optimizer.choose("adam");
  const std::vector<Real> initial(model->store().values().begin(), model->store().values().end());
  const std::vector<Real> statistics(model->store().statistics().begin(), model->store().statistics().end());
  Bench whole(*model, data, settings);
  whole.trainer.run();
  const std::vector<Real> expected(model->store().values().begin(), model->store().values().end());
  std::copy(initial.begin(), initial.end(), model->store().values().begin());
  std::copy(statistics.begin(), statistics.end(), model->store().statistics().begin());
  Bench parts(*model, data, settings);
  Trainer::request_stop();
  testing::expect_error(ExitCode::interrupted, {"epoch 1, step 1 of 3"}, [&] { parts.trainer.run(); });
  Trainer again(parts.context, settings);
  again.resume();
  again.run();
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model->store().values().begin()));
}

TEST_F(TrainerTest, EvaluationCountsEveryImageOnce) {
  const Evaluation whole = evaluate(*model, data.source.test, data.preprocessing, 30);
  const Evaluation parts = evaluate(*model, data.source.test, data.preprocessing, 7);
  EXPECT_NEAR(whole.loss, parts.loss, 1e-6);
  EXPECT_EQ(whole.accuracy, parts.accuracy);
}

TEST_F(TrainerTest, AfterTheFirstEpochNoMemoryIsTakenFromTheSystem) {
  set_threads(1);  // with more, two chunks may for the first time need scratch at once at any step
  const testing::TempFolder temp;
  RunFolder folder(temp.path() / "run");
  MetricsLog metrics(folder.path(), 0);
  RunContext context{*model, data, folder, metrics, 1, "{}", true};
  TrainSettings settings;
  settings.batch_size = 32;
  settings.epochs = 6;
  struct Watch final : Hook {
    std::vector<std::size_t> allocations;
    bool on_epoch(Trainer&, int) override {
      return allocations.push_back(pool_statistics().system_allocations), false;
    }
    bool finished(int) const override { return true; }
  } watch;
  Trainer trainer(context, settings);
  trainer.run(&watch);
  EXPECT_EQ(watch.allocations.size(), 7U) << "once before every epoch and once at the end";
  EXPECT_EQ(watch.allocations[2], watch.allocations[6]);
}

}  // namespace
}  // namespace espalier
