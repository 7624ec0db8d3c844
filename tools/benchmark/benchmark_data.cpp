// benchmark_data.cpp: whether anything but the arithmetic could hold training up: loading, the trainer's
// bookkeeping, starting the program.
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>

#include "framework/data/loader.h"
#include "framework/io/atomic_file.h"
#include "framework/train/trainer.h"
#include "tools/benchmark/benchmark_jobs.h"

extern char** environ;

namespace espalier {
namespace {

constexpr Index loader_images = 20000;
constexpr int batch_size = 128;

/// A folder that is removed at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-benchmark-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) fail(ExitCode::io, "{}: cannot be created", name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void measure_loader(const BenchmarkOptions& options, const Model& model, const std::string& name) {
  const ImageSet images = random_images(model, loader_images);
  TrainLoader loader(images, plain(model), {.crop_padding = 4, .horizontal_flip = true}, batch_size, 1);
  int epoch = 0;
  Batch batch;
  // The loader works on one background thread, whatever the number of threads that train.
  const Timing timing = time_calls(options, 1, [&] {
    loader.start_epoch(epoch++);
    while (loader.next(batch)) {
    }
  });
  print_rate({"data", name, "loader,crop,flip", 1, batch_size}, "images/s", loader_images, timing,
             "one loader thread; wanted >= 20000");
}

/// Seconds of the second epoch of a real run, without the evaluation that follows it.
double epoch_seconds(Model& model, LoadedData& data) {
  const TemporaryFolder temporary;
  RunFolder folder(temporary.path() / "run");
  MetricsLog metrics(folder.path(), 0);
  RunContext context{model, data, folder, metrics, 1, "{}", true};
  TrainSettings settings;
  settings.epochs = 2;
  settings.batch_size = batch_size;
  settings.learning_rate.choose("constant");
  Trainer trainer(context, settings);
  trainer.run();
  return number(metrics.rows().back(), "seconds");
}

void measure_epoch(const BenchmarkOptions& options, const std::string& name, int threads) {
  const auto model = benchmark_model(name);
  StepLoop loop(*model, batch_size);
  const Timing before = time_calls(options, threads, [&] { loop.step(); });
  // About 3 seconds an epoch, so that its start does not show.
  const auto steps = static_cast<Index>(3 / before.median()) + 1;
  LoadedData data;
  data.source.train = random_images(*model, std::min<Index>(steps * batch_size, 100 * batch_size));
  data.source.test = random_images(*model, 10);
  data.preprocessing = plain(*model);
  data.augmentation = {.crop_padding = name.starts_with("mlpnet") ? 0 : 4,
                       .horizontal_flip = !name.starts_with("mlpnet")};
  const double done = static_cast<double>(data.source.train.size()) / batch_size;
  std::vector<double> ratios;
  std::string note;
  for (int r = 0; r < 3; ++r) {  // in turn
    const double epoch = epoch_seconds(*benchmark_model(name), data);
    const Timing step = time_calls(options, threads, [&] { loop.step(); });
    ratios.push_back(epoch / (done * step.median()));
    note = step.note;
  }
  print_values({"data", name, "epoch/(step x steps)", threads, batch_size}, "ratio", ratios,
               fmt::format("{:.0f} steps an epoch, loader and metrics included; wanted <= 1.05{}{}", done,
                           note.empty() ? "" : "; ", note));
}

}  // namespace

void benchmark_data(const BenchmarkOptions& options, const std::string& name, int threads) {
  if (threads == options.threads.front()) measure_loader(options, *benchmark_model(name), name);
  measure_epoch(options, name, threads);
}

void benchmark_startup(const BenchmarkOptions& options) {
  const TemporaryFolder temporary;
  const std::string config = (temporary.path() / "config.json").string();
  write_file_atomically(
      config,
      R"({"data": {"source": {"type": "synthetic", "train": 10, "test": 10, "height": 32, "width": 32}},
  "model": "resnet20"})");
  BenchmarkOptions once = options;
  once.seconds = 0;
  std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string words[] = {program, "train", config, "--dry-run", "--quiet"};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(),
                       words[3].data(), words[4].data(), nullptr};
  const Timing timing = time_calls(once, 2, [&] {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    pid_t child = 0;
    int status = 0;
    const int failed = posix_spawn(&child, program.c_str(), &files, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed || waitpid(child, &status, 0) != child || status != 0)
      fail(ExitCode::internal, "[benchmark] {} train --dry-run failed", program);
  });
  print_values({"data", "resnet20", "startup", 2, 10}, "s", timing.seconds,
               "train --dry-run on 20 synthetic images, from start to exit; wanted < 0.1");
}

}  // namespace espalier
