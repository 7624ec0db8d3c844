// trainer.h: the training loop: batches, reverse pass, optimizer, evaluation, metrics, checkpoints. What
// happens between epochs besides (pruning) is a hook. A run is a function of config and seed; it can be
// stopped anywhere and resumed to the same bits.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "framework/data/data_config.h"
#include "framework/data/loader.h"
#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"
#include "framework/nn/model.h"
#include "framework/train/evaluate.h"
#include "framework/train/learning_rate.h"
#include "framework/train/optimizer.h"

namespace espalier {

/// The "train" section of a run config.
struct TrainSettings {
  int epochs = 10, batch_size = 128;
  double label_smoothing = 0;
  bool stop_weight_decay_after_pruning = false;
  Variant<OptimizerSettings> optimizer;
  Variant<LearningRateSettings> learning_rate;
  TrainSettings();
  void fields(Fields& f);
};

class Trainer;

/// Called at the beginning of every epoch, and once more after the last one (epoch == epochs).
struct Hook {
  virtual ~Hook() = default;
  /// True if it changed the weights (the trainer then saves its state).
  virtual bool on_epoch(Trainer& trainer, int epoch) = 0;
  /// True once all its changes are made.
  virtual bool finished(int epoch) const = 0;
};

/// Everything a run needs besides its settings; owned by the caller.
struct RunContext {
  Model& model;
  const LoadedData& data;
  RunFolder& folder;
  MetricsLog& metrics;
  std::uint64_t seed;
  std::string resolved_config;  ///< saved into every checkpoint; a resumed run must have the same
  bool quiet = false;
};

class Trainer {
 public:
  Trainer(RunContext& context, const TrainSettings& settings);
  ~Trainer();
  /// Continues from the folder's state file. Throws Error(checkpoint) if it is of another configuration.
  void resume();
  /// Trains to the last epoch. Throws Error(numeric) on a non-finite loss, weight or statistic, before it is
  /// saved; Error(interrupted) after request_stop().
  void run(Hook* hook = nullptr);

  /// Whether the run has come to its end, results written and all; a resumed run that is complete has nothing
  /// to do.
  bool complete() const { return at_.complete; }
  void mark_complete();

  RunContext& context() { return context_; }
  Optimizer& optimizer() { return *optimizer_; }
  /// On the test set; kept until the weights change.
  Evaluation evaluate_test();
  /// To be called by whoever changes weights or statistics other than through train steps.
  void weights_changed() { evaluation_.reset(); }
  /// Writes checkpoint and state; both atomically.
  void save();

  /// Ends the run after the current step, or the next if it has not begun, with its state saved. Safe to call
  /// from a signal handler.
  static void request_stop() { stop_requested.store(true); }
  /// For other long loops than a trainer's: whether a stop was requested.
  static bool stop_pending() { return stop_requested.load(); }

 private:
  struct Position {
    int epoch = 0;
    Index step = 0;          // steps done in this epoch
    bool hook_done = false;  // the hook has run for this epoch
    double loss_sum = 0, seconds = 0;
    Index correct = 0, seen = 0;
    bool complete = false;
  };
  void check_last_batch() const;
  void require_finite() const;
  std::string last_good() const;
  void train_epoch(bool decay);
  void train_step(const Batch& batch, double rate, bool decay);
  void write_state() const;
  static std::atomic<bool> stop_requested;

  RunContext& context_;
  const TrainSettings& settings_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainLoader loader_;
  Position at_;
  std::optional<Evaluation> evaluation_;
};

}  // namespace espalier
