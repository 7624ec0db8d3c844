#include "framework/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/core/check.h"
#include "framework/core/clock.h"
#include "framework/core/interrupt.h"
#include "framework/data/image_task.h"
#include "framework/infer/engine.h"
#include "framework/io/progress.h"
#include "framework/kernels/instruction_set.h"
#include "framework/ops/ops.h"
#include "framework/train/checkpoint.h"
#include "framework/train/clip.h"
#include "framework/train/diagnose.h"
#include "framework/train/epoch_row.h"
#include "framework/train/mean_gradients.h"

namespace espalier {

TrainSettings::TrainSettings() {
  optimizer.choose("sgd");
  learning_rate.choose("cosine");
}

void TrainSettings::fields(Fields& f) {
  f("epochs", epochs, "passes over the training set; 0: none (one-shot pruning)", {.low = 0, .high = 1e6});
  f("batch_size", batch_size, "examples per step", {.low = 1});
  f.variant("optimizer", optimizer, "update rule");
  f.variant("learning_rate", learning_rate, "learning rate over time");
  f("freeze", freeze,
    "patterns of parameters or layers, such as \"layer1.*\", that training leaves as they are: no steps, no decay; their "
    "batch norms keep their statistics and use them in training, too. Pruning still may change them: prune.exclude "
    "leaves them out");
  f.objects("learning_rates", learning_rates,
            "learning rates of their own for some; the last that fits counts");
  f("label_smoothing", label_smoothing, "share of the target spread over all classes",
    {.low = 0, .high = 1, .high_open = true});
  f("clip_norm", clip_norm, "gradients that are longer, over all parameters, are scaled to this length; 0: as they are",
    {.low = 0});
  f("average_decay", average_decay,
    "share that an exponential moving average of the weights keeps at each step; the average is what is tested and saved, "
    "and begins anew at each pruning step; 0: the weights themselves",
    {.low = 0, .high = 1, .high_open = true});
  f("keep_best", keep_best,
    "best.safetensors: the network after the epoch of the highest test accuracy, of those at the final sparsity; "
    "data.hold_out makes that choice on images that are not the test's");
  f("patience", patience,
    "the run ends when the best such accuracy is this many epochs old; 0: it trains all its epochs", {.low = 0});
  f("tensorboard", tensorboard, "write the metrics for TensorBoard, too");
  f("stop_weight_decay_after_pruning", stop_weight_decay_after_pruning,
    "no weight decay once the final sparsity is reached");
  f("recompute", recompute,
    "keep few activations and compute the others again in the reverse pass: less memory, a third more time, the same bits");
}

Trainer::Trainer(RunContext& context, const TrainSettings& settings)
    : context_(context),
      settings_(settings),
      optimizer_(settings.optimizer->make(context.model.store())),
      loader_(context.data.source.train, context.data.preprocessing, context.data.augmentation,
              settings.batch_size, context.seed, context.data.workers),
      instruction_sets_(instruction_set()) {
  apply_rates(settings, context.model);
  if (settings.recompute) recomputation_.emplace(context.model);
  check_last_batch();
  if (settings.average_decay > 0) average_.emplace(context.model.store(), settings.average_decay);
}
Trainer::~Trainer() = default;

class Trainer::AverageShown {
 public:
  explicit AverageShown(Trainer& t) : t_(t), own_(t.average_ && !t.average_shown_) { exchange(); }
  ~AverageShown() { exchange(); }
  AverageShown(const AverageShown&) = delete;
  AverageShown& operator=(const AverageShown&) = delete;

 private:
  void exchange() {
    if (own_) t_.average_->exchange(t_.context_.model.store());
  }
  Trainer& t_;
  bool own_;
};

std::string Trainer::instruction_set() { return kernels::instruction_set().name; }

/// A batch of one example may have no variance in a batch norm; better told now than after the first epoch.
void Trainer::check_last_batch() const {
  const Index images = context_.data.source.train.size();
  if (settings_.epochs == 0 || images % settings_.batch_size != (settings_.batch_size == 1 ? 0 : 1)) return;
  const Recording off(false);
  const Shape& image = context_.model.image();
  Pass pass{.training = true, .statistics_momentum = 0};  // 0: the statistics stay as they are
  context_.model.forward(Tensor::zeros({1, image[0], image[1], image[2]}), pass);
}

std::string Trainer::last_good() const {
  std::error_code unknown;
  const std::filesystem::path path = context_.folder.checkpoint();
  return std::filesystem::exists(path, unknown) ? "The last good checkpoint is " + path.string()
                                                : "No checkpoint was saved yet";
}

void Trainer::require_finite() const {
  const ParameterStore& store = context_.model.store();
  const auto check = [&](const auto& infos, std::span<const Real> all) {
    for (const auto& info : infos)
      for (Index i = info.range.begin; i < info.range.end; ++i)
        if (const Real v = all[i]; !std::isfinite(v))
          fail(ExitCode::numeric,
               "{} holds {} after epoch {}, step {}: training diverged, and nothing was saved since. {}; "
               "lower "
               "train.learning_rate.rate or add a warm-up",
               info.name, v, at_.epoch, at_.step, last_good());
  };
  check(store.infos(), store.values());
  check(store.statistic_infos(), store.statistics());
}

Evaluation Trainer::evaluate_test() {
  if (!evaluation_) {
    const AverageShown shown(*this);
    evaluation_ = evaluate(context_.model, context_.data.source.test, context_.data.preprocessing);
  }
  return *evaluation_;
}

void Trainer::train_step(const Batch& batch, double rate, bool decay) {
  ParameterStore& store = context_.model.store();
  const auto n = static_cast<Index>(batch.labels.size());
  Pass pass{
      .training = true,
      .dropout_key = Random(context_.seed, Random::Use::dropout,
                            {static_cast<std::uint64_t>(at_.epoch), static_cast<std::uint64_t>(at_.step)})
                         .next()};
  const Var logits = recomputation_ ? recomputation_->forward(batch.images, pass)
                                    : context_.model.forward(batch.images, pass);
  const Var losses = cross_entropy(logits, batch.labels, settings_.label_smoothing);
  const double loss = sum(losses.value());
  if (!std::isfinite(loss))
    fail(ExitCode::numeric,
         "the loss is not finite at epoch {}, step {} (learning rate {:.3g}): {}. {}; lower "
         "train.learning_rate.rate or add a warm-up",
         at_.epoch + 1, at_.step, rate,
         recomputation_ ? recomputation_->first_non_finite() : first_non_finite(losses, store), last_good());
  at_.loss_sum += loss;
  at_.correct += count_correct(logits.value(), batch.labels);
  at_.seen += n;
  mean_gradients(losses, store, recomputation_ ? &*recomputation_ : nullptr);
  if (settings_.clip_norm > 0) clip_gradients(store, settings_.clip_norm);
  optimizer_->step(store, rate, decay);
  if (average_) average_->update(store);
  evaluation_.reset();
  ++at_.step;
}

void Trainer::train_epoch(bool decay) {
  const double started = seconds_now() - at_.seconds;
  const Index steps = loader_.batches_per_epoch();
  Progress progress(fmt::format("epoch {}/{}", at_.epoch + 1, settings_.epochs),
                    context_.data.source.train.size(), "images", context_.quiet);
  Batch batch;
  loader_.start_epoch(at_.epoch, at_.step);
  while (loader_.next(batch)) {
    const double time = at_.epoch + static_cast<double>(at_.step) / static_cast<double>(steps);
    train_step(batch, settings_.learning_rate->at(time, settings_.epochs), decay);
    progress.update(at_.seen, fmt::format("loss {:.4f}", at_.loss_sum / static_cast<double>(at_.seen)));
    at_.seconds = seconds_now() - started;
    if (take_stop()) {
      require_finite();
      write_state();
      fail(ExitCode::interrupted, "stopped at epoch {}, step {} of {}; continue with --resume", at_.epoch + 1,
           at_.step, steps);
    }
  }
  progress.done();
}

/// The epoch's steps are saved if a stop comes while the network is tested.
Evaluation Trainer::test_of_epoch() {
  try {
    const StopAnywhere region(fmt::format(
        "stopped while the network was tested after epoch {}; continue with --resume", at_.epoch + 1));
    return evaluate_test();
  } catch (const Error& e) {
    if (e.code() != ExitCode::interrupted) throw;
    require_finite();
    write_state();
    throw;
  }
}

/// Networks of one sparsity are compared, so only what comes after the last pruning step counts.
void Trainer::judge(double accuracy, const Hook* hook) {
  if (!settings_.keep_best && settings_.patience == 0) return;
  if (hook && !hook->finished(at_.epoch)) return;
  const int trained = at_.epoch + 1;
  if (at_.best_epoch == 0 || accuracy > at_.best_accuracy) {
    at_.best_accuracy = accuracy;
    at_.best_epoch = trained;
    if (!settings_.keep_best) return;
    const AverageShown shown(*this);
    save_checkpoint(context_.folder.best(), context_.model, context_.metadata(trained));
  } else if (settings_.patience > 0 && trained - at_.best_epoch >= settings_.patience) {
    at_.ended = true;
  }
}

void Trainer::run(Hook* hook) {
  const auto run_hook = [&] {
    if (at_.hook_done) return;
    bool changed = false;
    if (hook) {
      // What a step does reaches the disk only below, so that it may be given up at any point.
      const StopAnywhere region("stopped within a pruning step, which is begun anew; continue with --resume");
      changed = hook->on_epoch(*this, at_.epoch);
    }
    at_.hook_done = true;
    if (changed) save();
  };
  while (goes_on()) {
    run_hook();
    const bool decay = !(settings_.stop_weight_decay_after_pruning && hook && hook->finished(at_.epoch));
    train_epoch(decay);
    const Evaluation test = test_of_epoch();
    require_finite();
    if (!std::isfinite(test.loss))
      fail(ExitCode::numeric,
           "the test loss is not finite after epoch {}. {}; lower train.learning_rate.rate or add a warm-up",
           at_.epoch + 1, last_good());
    const auto seen = static_cast<double>(at_.seen);
    const ParameterStore& store = context_.model.store();
    const WeightCount count = count_weights(store);
    context_.metrics.append(
        to_row(EpochRow{.epoch = at_.epoch + 1,
                        .train_loss = at_.loss_sum / seen,
                        .train_accuracy = static_cast<double>(at_.correct) / seen,
                        .test_loss = test.loss,
                        .test_accuracy = test.accuracy,
                        .sparsity = hook ? hook->sparsity(store) : count.share(),
                        .unmasked_zeros = count.zeros,
                        .learning_rate = settings_.learning_rate->at(at_.epoch, settings_.epochs),
                        .seconds = at_.seconds,
                        .images_per_second = seen / at_.seconds}));
    judge(test.accuracy, hook);
    at_ = {.epoch = at_.epoch + 1,
           .best_accuracy = at_.best_accuracy,
           .best_epoch = at_.best_epoch,
           .ended = at_.ended};
    save();
  }
  run_hook();
  save();
  if (!average_ || average_shown_) return;
  average_->exchange(context_.model.store());  // whoever looks at the finished network sees what was saved
  average_shown_ = true;
}

void Trainer::save() {
  require_finite();
  write_state();  // first: a run that is killed in between still knows what it was about to write
  const AverageShown shown(*this);
  save_checkpoint(context_.folder.checkpoint(), context_.model, context_.metadata(at_.epoch));
}

}  // namespace espalier
