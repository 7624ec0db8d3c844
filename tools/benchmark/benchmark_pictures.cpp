// benchmark_pictures.cpp: how fast pictures become batches, beside how fast the network trains on them: of a run
// config, as its data are.
#include "framework/data/loader.h"
#include "framework/train/evaluate.h"
#include "tools/benchmark/benchmark_jobs.h"
#include "tools/run/session.h"

namespace espalier {

void benchmark_pictures(const BenchmarkOptions& options, const std::string& name, int threads) {
  if (name != options.models.front()) return;  // the config's network counts
  if (options.config.empty())
    fail(ExitCode::usage, "the pictures job needs --config: a run config whose data.source are pictures");
  CommandOptions command;
  command.config = options.config;
  RunConfig config = read_run_config(command);
  config.data.cache_mb = 0;  // what is kept costs nothing
  Workbench bench = prepare(config, {});
  const LoadedData& data = bench.data;
  const int batch_size = config.train.batch_size;
  const auto images = static_cast<double>(data.source.train.size());
  const auto row = [&](const char* variant) {
    return RowKey{"pictures", config.model.type, variant, threads, batch_size};
  };

  TrainLoader loader(data.source.train, data.preprocessing, data.augmentation, batch_size, 1, threads);
  int epoch = 0;
  Batch batch;
  const Timing loading = time_calls(options, threads, [&] {
    loader.start_epoch(epoch++);
    while (loader.next(batch)) {
    }
  });
  print_rate(row("loader,augmented"), "images/s", images, loading,
             "threads as workers, nothing else running");

  std::vector<Index> some(std::min<Index>(data.source.train.size(), batch_size));
  for (std::size_t i = 0; i < some.size(); ++i) some[i] = static_cast<Index>(i);
  const Timing plain = time_calls(options, threads,
                                  [&] { load_examples(data.source.train, data.preprocessing, some, batch); });
  print_rate(row("load_examples"), "images/s", static_cast<double>(some.size()), plain,
             "as evaluation reads them");

  StepLoop step(*bench.model, batch_size);
  const Timing training = time_calls(options, threads, [&] { step.step(); });
  print_rate(row("training step"), "images/s", batch_size, training, "on images in memory");
}

}  // namespace espalier
