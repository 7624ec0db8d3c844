#include "tools/verbs/dense_twin.h"

#include <cmath>

#include "framework/config/reader.h"
#include "framework/config/writer.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "tools/run/network_record.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

fs::path twin_folder(const fs::path& run) { return run / "baseline"; }

/// The config without what prunes. From the run's own as it was read: a file edited since does not count.
RunConfig twin_of(RunConfig& config, const fs::path& run) {
  RunConfig twin;
  read_config(JsonDocument::parse(resolved_json(config), "the run's config"), twin);
  twin.prune.reset();
  twin.baseline = Baseline::none;
  set_provenance(twin, "train");
  twin.output = twin_folder(run).string();
  return twin;
}

/// Another run that lies there is replaced: a twin is made from the run's config alone.
bool goes_on_there(const fs::path& folder, RunConfig& twin) {
  std::error_code unknown;
  return fs::exists(folder / "state.safetensors", unknown) &&
         goes_on(folder, twin, Earlier::resume_or_replace);
}

/// Takes up what was stopped. A damaged state costs the twin's training anew, not the run.
bool take_up_twin(Trainer& trainer, const CommandOptions& options) {
  try {
    trainer.resume({.accept = [](const ResumePoint&) {}, .other_instruction_set = options.other_instruction_set});
    return true;
  } catch (const Error& e) {
    if (e.code() != ExitCode::checkpoint) throw;
    fmt::print(stderr, "note: {}; the dense twin is trained anew\n", e.what());
    return false;
  }
}

/// Trains `model` in the twin's folder, or from where an earlier call was stopped. False: a damaged state.
bool train_twin(const CommandOptions& options, RunConfig& twin, const LoadedData& data, Model& model,
                bool resuming) {
  RunFolder folder(run_directory(twin));
  const std::string network = network_json(twin, data);
  if (!resuming) {
    folder.clear();
    record_config(folder, twin);
  }
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0);
  RunContext context{model, data, folder, metrics, twin.seed, resolved_json(twin), options.quiet, network};
  Trainer trainer(context, twin.train);
  if (resuming && !take_up_twin(trainer, options)) return false;
  if (trainer.complete()) return true;
  say(options, fmt::format("the dense twin: {} epochs without pruning, in {}", twin.train.epochs,
                           folder.path().string()));
  trainer.run();
  const Evaluation test = trainer.evaluate_test();
  DoneRow row;
  row.test_loss = test.loss;
  row.test_accuracy = test.accuracy;
  row.test_images = data.source.test.size();
  row.multiply_adds = model.macs();
  metrics.append(to_row(row));
  trainer.mark_complete();
  return true;
}

/// The twin's network, trained.
std::unique_ptr<Model> trained_twin(const CommandOptions& options, RunConfig& twin, const LoadedData& data) {
  bool resuming = goes_on_there(run_directory(twin), twin);
  for (;; resuming = false) {
    std::unique_ptr<Model> model = build_network(twin, resuming ? Start{} : beginning_of(twin), data);
    if (train_twin(options, twin, data, *model, resuming)) return model;
  }
}

}  // namespace

bool wants_twin(const RunConfig& config) { return config.prune && config.baseline == Baseline::equal_budget; }

std::string twin_cost(RunConfig& config, const fs::path& folder) {
  RunConfig twin = twin_of(config, folder);
  if (goes_on_there(twin_folder(folder), twin))
    return fmt::format("the dense twin it is compared with is of the same config, in {}: what is done of it is not "
                       "done again",
                       twin_folder(folder).string());
  return fmt::format("besides, a dense twin is trained for {} epochs, about as long as this run trains without its "
                     "pruning steps (\"baseline\": \"none\" leaves it out); it stays in {}",
                     config.train.epochs, twin_folder(folder).string());
}

double paired_error(std::int64_t a, std::int64_t b, std::int64_t images) {
  const auto n = static_cast<double>(images), difference = static_cast<double>(a - b);
  return std::sqrt(std::max(0.0, static_cast<double>(a + b) - difference * difference / n)) / n;
}

void compare_with_twin(const CommandOptions& options, RunConfig& config, const Workbench& pruned,
                       const fs::path& folder, DoneRow& row) {
  RunConfig twin = twin_of(config, folder);
  const std::unique_ptr<Model> dense = trained_twin(options, twin, pruned.data);
  const ImageSet& test = pruned.data.source.test;
  const Evaluation score = evaluate(*dense, test, pruned.data.preprocessing);
  const std::vector<std::int32_t> of_twin = predicted_classes(*dense, test, pruned.data.preprocessing),
                                  of_pruned = predicted_classes(*pruned.model, test, pruned.data.preprocessing);
  std::int64_t only_twin = 0, only_pruned = 0;
  for (std::size_t n = 0; n < of_twin.size(); ++n) {
    const bool twin_right = of_twin[n] == test.labels[n], pruned_right = of_pruned[n] == test.labels[n];
    only_twin += twin_right && !pruned_right;
    only_pruned += pruned_right && !twin_right;
  }
  row.twin_epochs = twin.train.epochs;
  row.twin_test_accuracy = score.accuracy;
  row.twin_test_loss = score.loss;
  row.only_twin_right = only_twin;
  row.only_pruned_right = only_pruned;
  row.price_of_sparsity = static_cast<double>(only_twin - only_pruned) / static_cast<double>(test.size());
  row.price_error = paired_error(only_twin, only_pruned, test.size());
}

}  // namespace espalier
