// The parts of the training loop that can be checked on their own: batch-norm statistics re-estimated,
// evaluation, and that the steady state takes no memory from the system.
#include "framework/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>

#include "framework/core/buffer_pool.h"
#include "framework/core/interrupt.h"
#include "framework/core/parallel.h"
#include "framework/io/safetensors.h"
#include "framework/kernels/instruction_set.h"
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
  request_stop();
  testing::expect_error(ExitCode::interrupted, {"epoch 1, step 1 of 3"}, [&] { parts.trainer.run(); });
  Trainer again(parts.context, settings);
  again.resume();
  again.run();
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model->store().values().begin()));
}

TEST_F(TrainerTest, WithinARegionAnyLoopHeedsAStopOnce) {
  TrainSettings settings;
  settings.epochs = 1;
  settings.batch_size = 32;
  const std::vector<Real> initial(model->store().values().begin(), model->store().values().end());
  const std::vector<Real> statistics(model->store().statistics().begin(), model->store().statistics().end());
  Bench whole(*model, data, settings);
  whole.trainer.run();
  const std::vector<Real> expected(model->store().values().begin(), model->store().values().end());
  std::copy(initial.begin(), initial.end(), model->store().values().begin());
  std::copy(statistics.begin(), statistics.end(), model->store().statistics().begin());

  Bench parts(*model, data, settings);
  request_stop();
  testing::expect_error(ExitCode::interrupted, {"step 1 of 3"}, [&] { parts.trainer.run(); });
  {
    const StopAnywhere region("given up");
    request_stop();
    testing::expect_error(ExitCode::interrupted, {"given up"},
                          [&] { evaluate(*model, data.source.test, data.preprocessing); });
    EXPECT_FALSE(stop_pending()) << "a request is heeded once";
    EXPECT_NO_THROW(evaluate(*model, data.source.test, data.preprocessing));
  }
  Trainer again(parts.context, settings);
  again.resume();
  again.run();
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model->store().values().begin()));
}

/// A finished run's state, damaged in one place and read again.
struct DamagedState {
  DamagedState(Model& model, const LoadedData& data) {
    settings.epochs = 2;
    settings.batch_size = 32;
    bench.emplace(model, data, settings);
    bench->trainer.run();
    good = read_safetensors(bench->folder.state());
  }
  /// `change` gets the file's contents.
  template <class Change>
  void expect(std::initializer_list<std::string> parts, Change change) {
    TensorFile bad = good;
    change(bad);
    write_safetensors(bench->folder.state(), bad);
    Trainer again(bench->context, settings);
    testing::expect_error(ExitCode::checkpoint, {"state.safetensors", *parts.begin()},
                          [&] { again.resume(); });
  }
  void expect_position(const std::string& from, const std::string& to, const std::string& part) {
    expect({part}, [&](TensorFile& f) {
      std::string& position = f.metadata["position"];
      const auto at = position.find(from);
      ASSERT_NE(at, std::string::npos) << from << " in " << position;
      position.replace(at, from.size(), to);
    });
  }
  TrainSettings settings;
  std::optional<Bench> bench;
  TensorFile good;
};

TEST_F(TrainerTest, ADamagedStateIsToldByFileAndField) {
  DamagedState state(*model, data);
  state.expect_position("\"epoch\": 2", "\"epoch\": \"x\"", "epoch is \"x\" (string)");
  state.expect_position("\"epoch\": 2", "\"epoch\": 99999999999999999999", "epoch");
  state.expect_position("\"epoch\": 2", "\"epoch\": 1000001", "epoch is 1000001");
  state.expect_position("\"step\": 0", "\"step\": -1", "step is -1; it must be at least 0");
  state.expect_position("\"loss_sum\": 0.0", "\"loss_sum\": NaN", "NaN");
  state.expect_position("\"loss_sum\": 0.0", "\"loss_sum\": \"zz\"", "loss_sum");
  state.expect_position("\"correct\": 0", "\"correct\": 5", "5 of 0 examples are correct");
  state.expect_position("\"step\"", "\"stepp\"", "did you mean \"step\"?");
  state.expect_position("\"seconds\": 0.0", "\"seconds\": 1.0", "checksum");
  state.expect({"'position'"}, [](TensorFile& f) { f.metadata.erase("position"); });
  state.expect({"checksum"}, [](TensorFile& f) { f.tensors[0].bytes[5] ^= std::byte{1}; });
  state.expect({"checksum"}, [](TensorFile& f) { f.metadata["resolved_config"] = "{ }"; });
}

TEST_F(TrainerTest, AStateOfAnotherInstructionSetIsRefusedUnlessAskedForAndThenNamed) {
  if (!kernels::find_instruction_set("avx2")) GTEST_SKIP() << "this processor has one instruction set only";
  const kernels::InstructionSet& own = kernels::instruction_set();
  kernels::use_instruction_set(*kernels::find_instruction_set("baseline"));
  DamagedState state(*model, data);
  kernels::use_instruction_set(*kernels::find_instruction_set("avx2"));
  Trainer again(state.bench->context, state.settings);
  ASSERT_FALSE(again.complete());
  testing::expect_error(ExitCode::usage, {"state.safetensors", "baseline", "avx2", "--other-instruction-set"},
                        [&] { again.resume(); });
  again.resume({.other_instruction_set = true});
  EXPECT_EQ(again.instruction_sets(), "baseline, avx2");
  kernels::use_instruction_set(own);
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
