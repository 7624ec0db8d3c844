// train_and_prune.cpp: a network of one's own, trained by a loop of one's own, and pruned, all in memory.
//   find_package(espalier REQUIRED)
//   target_link_libraries(train_and_prune PRIVATE espalier::espalier)
#include <cstdio>

#include "framework/data/loader.h"
#include "framework/graph/builder.h"
#include "framework/ops/ops.h"
#include "framework/train/evaluate.h"
#include "framework/train/mean_gradients.h"
#include "framework/train/optimizer.h"
#include "pruning/step/prune.h"

using namespace espalier;

int main() try {
  DataConfig from;  // any registered data set, or fill LoadedData::source with bytes of your own
  from.source.choose("synthetic");
  const LoadedData data = open_data(from);

  GraphBuilder net({16, 16, 3});  // an image: height, width, channels
  net.add("conv1", ConvOp({.out = 16, .kernel = 3, .pad = 1}));
  net.add("relu1", rectifier());
  net.add("pool1", MaxPoolOp(2, 2));
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 10}));
  Model model(net.finish(), 10, 1);

  Variant<OptimizerSettings> sgd;
  sgd.choose("sgd");
  const auto optimizer = sgd->make(model.store());
  TrainLoader loader(data.source.train, data.preprocessing, {}, 50, 1);
  Batch batch;
  for (int epoch = 0; epoch < 3; ++epoch) {
    loader.start_epoch(epoch);
    while (loader.next(batch)) {
      Pass pass{.training = true};
      const Var losses =
          cross_entropy(model.forward(batch.images, pass), batch.labels);  // or a loss of your own
      mean_gradients(losses, model.store());
      optimizer->step(model.store(), 0.05, true);
    }
  }

  PruneConfig config;  // WoodFisher from 400 gradients, in blocks of 1000 weights
  for (const double sparsity : {0.5, 0.8, 0.9}) {
    const PruneResult r = prune(model, data, config, sparsity);
    const Evaluation test = evaluate(model, data.source.test, data.preprocessing);
    std::printf("%.0f %% pruned: loss %.4f -> %.4f (predicted %+.4f), accuracy %.1f %%\n", 100 * r.sparsity,
                r.loss_before, r.loss_after, r.predicted.change(), 100 * test.accuracy);
  }
} catch (const std::exception& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
