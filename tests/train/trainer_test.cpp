// The parts of the training loop that can be checked on their own: batch-norm statistics re-estimated,
// evaluation, and that the steady state takes no memory from the system.
#include "framework/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/buffer_pool.h"
#include "framework/core/parallel.h"
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
  recalibrate_batch_norm(*model, data.source.train, data.preprocessing, 96, 1, 96);
  const std::vector<Real> once(store.statistics().begin(), store.statistics().end());
  EXPECT_LT(std::abs(once[0]), 10) << "the old mean must not survive";
  std::fill(store.statistics().begin(), store.statistics().end(), Real(-5));
  recalibrate_batch_norm(*model, data.source.train, data.preprocessing, 96, 1,
                         48);  // two halves of the same images
  for (std::size_t c = 0; c < 4; ++c)
    EXPECT_NEAR(store.statistics()[c], once[c], 1e-4) << "means of halves average to the whole";
}

TEST_F(TrainerTest, EvaluationCountsEveryImageOnce) {
  const Score whole = evaluate(*model, data.source.test, data.preprocessing, 30);
  const Score parts = evaluate(*model, data.source.test, data.preprocessing, 7);
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
