// trainer.h: the training loop: batches, reverse pass, optimizer, evaluation, metrics, checkpoints. What
// happens between epochs besides (pruning) is a hook. A run is a function of config and seed; it can be
// stopped anywhere and resumed to the same bits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "framework/data/data_config.h"
#include "framework/data/image_task.h"
#include "framework/data/loader.h"
#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"
#include "framework/nn/model.h"
#include "framework/train/evaluate.h"
#include "framework/train/learning_rate.h"
#include "framework/train/optimizer.h"
#include "framework/train/rates.h"
#include "framework/train/recompute.h"
#include "framework/train/weight_average.h"

namespace espalier {

/// The "train" section of a run config.
struct TrainSettings {
  int epochs = 10, batch_size = 128;
  double label_smoothing = 0;
  double clip_norm = 0, average_decay = 0;
  bool keep_best = false, tensorboard = false;
  int patience = 0;
  bool stop_weight_decay_after_pruning = false;
  bool recompute = false;
  Variant<OptimizerSettings> optimizer;
  Variant<LearningRateSettings> learning_rate;
  std::vector<std::string> freeze;
  std::vector<RateOf> learning_rates;
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
  /// Share of the weights it prunes that are pruned.
  virtual double sparsity(const ParameterStore& store) const { return count_weights(store).share(); }
};

/// What a state file says of its run, for the caller to accept or refuse.
struct ResumePoint {
  const std::string& resolved_config;  ///< as it was recorded
  int epoch;
  Index step;  ///< steps of the epoch that are done
  bool hook_done, complete;
  Index metrics_rows;  ///< rows of the metrics that belong to it
};
struct ResumeOptions {
  /// Throws if the run may not go on with the settings there are now. None: they must be the same.
  std::function<void(const ResumePoint&)> accept = {};
  bool other_instruction_set = false;  ///< go on although another instruction set began it
};

/// Everything a run needs besides its settings; owned by the caller.
struct RunContext {
  Model& model;
  const LoadedData& data;
  RunFolder& folder;
  MetricsLog& metrics;
  std::uint64_t seed;
  std::string resolved_config;  ///< saved into every checkpoint
  bool quiet = false;
  std::string network = {};  ///< what an inference needs besides the weights, as JSON; saved beside it
  /// Of every file with weights that the run writes.
  std::map<std::string, std::string> metadata(int epoch) const {
    std::map<std::string, std::string> all{{"resolved_config", resolved_config},
                                           {"epoch", std::to_string(epoch)}};
    all["task"] = to_json(task_of(data));
    if (!network.empty()) all["network"] = network;
    return all;
  }
};

class Trainer {
 public:
  Trainer(RunContext& context, const TrainSettings& settings);
  ~Trainer();
  /// Continues from the folder's state file. Throws Error(checkpoint) naming the field if it is damaged,
  /// Error(usage) if another instruction set began it, Error(config) if its configuration is not accepted.
  void resume(const ResumeOptions& options = {});
  /// Name of the one that computes now.
  static std::string instruction_set();
  /// Names of the instruction sets that have computed the run, in order.
  const std::string& instruction_sets() const { return instruction_sets_; }
  /// Trains to the last epoch. Throws Error(numeric) on a non-finite loss, weight or statistic, before it is
  /// saved; Error(interrupted) after request_stop() (core/interrupt.h),
  /// with its state saved.
  void run(Hook* hook = nullptr);

  /// Whether the run has come to its end, results written and all; a resumed run that is complete has nothing
  /// to do.
  bool complete() const { return at_.complete; }
  void mark_complete();
  /// Takes back that the run is complete, with the last row of its metrics, which said so.
  void reopen();

  RunContext& context() { return context_; }
  Optimizer& optimizer() { return *optimizer_; }
  /// On the test set; kept until the weights change.
  Evaluation evaluate_test();
  /// To be called by whoever changes weights or statistics other than through train steps.
  void weights_changed() {
    evaluation_.reset();
    if (average_) average_->restart(context_.model.store());
  }
  /// The best accuracy on the test images (data.hold_out: on those held out) after an epoch that the hook had finished
  /// before, and how many epochs were trained then; 0 epochs: there is none, or nobody asked (train.keep_best, patience).
  double best_accuracy() const { return at_.best_accuracy; }
  int best_epoch() const { return at_.best_epoch; }
  /// Epochs that are trained, fewer than asked for where train.patience has ended the run.
  int epochs_trained() const { return at_.epoch; }
  bool ended_early() const { return at_.ended; }
  /// Writes checkpoint and state; both atomically.
  void save();

 private:
  /// The largest values a position may have.
  struct Bounds {
    int epochs = 1'000'000;
    Index steps = Index{1} << 40, images = Index{1} << 40;
  };
  struct Position {
    int epoch = 0;
    Index step = 0;          // steps done in this epoch
    bool hook_done = false;  // the hook has run for this epoch
    double loss_sum = 0, seconds = 0;
    Index correct = 0, seen = 0;
    bool complete = false;
    Index metrics_rows = 0, optimizer_steps = 0;  // as of the state file
    double best_accuracy = 0;
    int best_epoch = 0;
    bool ended = false;  // by train.patience
    void fields(Fields& f, const Bounds& most);
  };
  void check_last_batch() const;
  void require_finite() const;
  std::string last_good() const;
  void train_epoch(bool decay);
  Evaluation test_of_epoch();
  void train_step(const Batch& batch, double rate, bool decay);
  bool goes_on() const { return at_.epoch < settings_.epochs && !at_.ended; }
  void judge(double accuracy, const Hook* hook);
  /// While it lives the network has the averaged weights, if they are averaged.
  class AverageShown;
  void write_state() { write_state(static_cast<Index>(context_.metrics.size())); }
  void write_state(Index metrics_rows);

  RunContext& context_;
  const TrainSettings& settings_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Recomputation> recomputation_;
  TrainLoader loader_;
  Position at_;
  std::string instruction_sets_;
  std::optional<Evaluation> evaluation_;
  std::optional<WeightAverage> average_;
  bool average_shown_ = false;
};

}  // namespace espalier
