// One pruning step without a trainer and without a run folder: prune() of pruning/step/prune.h.
#include <gtest/gtest.h>

#include "framework/train/evaluate.h"
#include "pruning/step/prune.h"

namespace espalier {
namespace {

struct PruneInMemory : ::testing::Test {
  PruneInMemory() {
    DataConfig from;
    from.source.choose("synthetic");
    data = open_data(from);
    Variant<ModelSettings> lenet;
    lenet.choose("lenet");
    model = lenet->build({16, 16, 3}, 10, 3);
    config.num_grads = 50;
    config.inverse.choose("layer");
  }
  Index zeros() const {
    const auto mask = model->store().mask();
    return std::count(mask.begin(), mask.end(), Real(0));
  }
  LoadedData data;
  std::unique_ptr<Model> model;
  PruneConfig config;
};

TEST_F(PruneInMemory, RemovedWeightsAreZeroAndMaskedAndTheLossIsTheNetworksOwn) {
  const PruneResult r = prune(*model, data, config, 0.6);
  const Index weights = PrunableLayers(config, *model).weights();
  EXPECT_NEAR(r.sparsity, 0.6, 1.0 / static_cast<double>(weights));
  EXPECT_EQ(zeros(), std::lround(r.sparsity * static_cast<double>(weights)));
  for (std::size_t i = 0; i < model->store().mask().size(); ++i)
    if (model->store().mask()[i] == 0) {
      EXPECT_EQ(model->store().values()[i], Real(0));
    }
  const ImageExamples own(data.source.train, data.preprocessing,
                          fisher_examples(config, data.source.train, {.seed = 1}));
  EXPECT_DOUBLE_EQ(r.loss_after, mean_loss(*model, own));
}

TEST_F(PruneInMemory, AStepGoesOnFromTheOneBeforeIt) {
  (void)prune(*model, data, config, 0.3);
  const std::vector<Real> first(model->store().mask().begin(), model->store().mask().end());
  const PruneResult second = prune(*model, data, config, 0.7);
  EXPECT_NEAR(second.sparsity, 0.7, 1e-3);
  for (std::size_t i = 0; i < first.size(); ++i)
    if (first[i] == 0) {
      EXPECT_EQ(model->store().mask()[i], Real(0)) << "a removed weight came back";
    }
}

TEST_F(PruneInMemory, ASparsityOutOfRangeIsRefusedBeforeAnythingChanges) {
  const std::vector<Real> before(model->store().values().begin(), model->store().values().end());
  for (const double impossible : {-0.1, 1.0, std::nan("")})
    EXPECT_THROW((void)prune(*model, data, config, impossible), Error);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), model->store().values().begin()));
}

}  // namespace
}  // namespace espalier
