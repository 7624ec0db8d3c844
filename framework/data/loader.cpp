// loader.cpp: one background thread, one batch ahead. Two batches alternate: the caller's goes back to the
// thread when the next is fetched, and image memory goes through the buffer pool, so nothing is allocated
// after the first few batches.
#include "framework/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "framework/core/random.h"

namespace espalier {

struct TrainLoader::State {
  State(const ImageSet& images, const Preprocessing& preprocessing, const Augmentation& augmentation_,
        Index size, std::uint64_t seed_)
      : converter(images, preprocessing), augmentation(augmentation_), batch_size(size), seed(seed_) {}

  const ImageConverter converter;
  const Augmentation augmentation;
  const Index batch_size;
  const std::uint64_t seed;
  Index batches = 0;

  // All below is guarded, except that the thread alone touches `spare` and reads `order`
  // and `epoch` while `working`.
  std::mutex guard;
  std::condition_variable changed;
  std::vector<Index> order;
  int epoch = 0;
  Index to_prepare = 0;  // the batch the thread makes next
  Batch spare;
  bool working = false, ready = false, stop = false;
  std::exception_ptr error;
  std::thread thread;

  /// Fills `spare` with batch `b` of the epoch.
  void prepare(Index b) {
    const Index begin = b * batch_size, end = std::min(begin + batch_size, static_cast<Index>(order.size()));
    spare.examples.assign(order.begin() + begin, order.begin() + end);
    converter.check(spare.examples);
    spare.labels.clear();
    for (Index e : spare.examples) spare.labels.push_back(converter.images().labels[e]);
    // Fresh from the pool, never overwritten in place: the caller may keep tensors that share the old memory.
    spare.images = Tensor();
    spare.images = Tensor::uninitialized(converter.batch_shape(end - begin));
    Real* out = spare.images.data();
    for (Index e : spare.examples) {
      converter.convert(e, ImageConverter::draw(augmentation, seed, epoch, e), out);
      out += spare.images.shape().example_size();
    }
  }

  void run() {
    std::unique_lock lock(guard);
    for (;;) {
      changed.wait(lock, [&] { return stop || (!ready && !error && to_prepare < batches); });
      if (stop) return;
      working = true;
      const Index b = to_prepare;
      lock.unlock();
      std::exception_ptr caught;
      try {
        prepare(b);
      } catch (...) {
        caught = std::current_exception();
      }
      lock.lock();
      working = false;
      error = caught;
      ready = !caught;
      to_prepare = b + 1;
      changed.notify_all();
    }
  }
};

TrainLoader::TrainLoader(const ImageSet& images, const Preprocessing& preprocessing,
                         const Augmentation& augmentation, Index batch_size, std::uint64_t seed)
    : state_(std::make_unique<State>(images, preprocessing, augmentation, batch_size, seed)) {
  if (batch_size < 1) fail(ExitCode::config, "batch_size is {}; it must be at least 1", batch_size);
  if (augmentation.crop_padding < 0)
    fail(ExitCode::config, "data.augment.crop_padding is {}; it must not be negative",
         augmentation.crop_padding);
  const Index n = images.size();
  state_->batches = (n + batch_size - 1) / batch_size;
  if (state_->batches == 0)
    fail(ExitCode::config, "the training set has no images; check data.source and data.train_limit");
  state_->order.resize(n);
  state_->to_prepare = state_->batches;  // nothing to do before start_epoch()
  state_->thread = std::thread([s = state_.get()] { s->run(); });
}

TrainLoader::~TrainLoader() {
  {
    const std::lock_guard lock(state_->guard);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

Index TrainLoader::batches_per_epoch() const { return state_->batches; }

void TrainLoader::start_epoch(int epoch, Index first_batch) {
  State& s = *state_;
  require(epoch >= 0 && first_batch >= 0 && first_batch <= s.batches,
          "[loader] epoch {} cannot start at batch {} of {}", epoch, first_batch, s.batches);
  std::unique_lock lock(s.guard);
  s.to_prepare = s.batches;  // no further batch of the old epoch
  s.changed.wait(lock, [&] { return !s.working; });
  std::iota(s.order.begin(), s.order.end(), Index{0});
  Random(s.seed, Random::Use::shuffle, {static_cast<std::uint64_t>(epoch)}).shuffle(s.order);
  s.epoch = epoch;
  s.to_prepare = first_batch;
  s.ready = false;
  s.error = nullptr;
  s.changed.notify_all();
}

bool TrainLoader::next(Batch& out) {
  State& s = *state_;
  std::unique_lock lock(s.guard);
  s.changed.wait(lock, [&] { return s.ready || s.error || (!s.working && s.to_prepare >= s.batches); });
  if (s.error) {
    s.to_prepare = s.batches;
    std::rethrow_exception(std::exchange(s.error, nullptr));
  }
  if (!s.ready) return false;
  std::swap(out, s.spare);
  s.ready = false;
  s.changed.notify_all();
  return true;
}

}  // namespace espalier
