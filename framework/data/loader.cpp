// loader.cpp: background threads, one batch ahead. Two batches alternate: the caller's goes back to the threads when
// the next is fetched, and image memory goes through the buffer pool, so nothing is allocated after the first few
// batches. Threads take the images of a batch one after the other; where that would cost more than the images, one
// thread takes them all.
#include "framework/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "framework/core/parallel.h"
#include "framework/core/random.h"

namespace espalier {

struct TrainLoader::State {
  State(const ImageSet& images, const Preprocessing& preprocessing, const Augmentation& augmentation_,
        Index size, std::uint64_t seed_)
      : converter(images, preprocessing),
        augmentation(augmentation_),
        batch_size(size),
        seed(seed_),
        costly(images.pictures || augmentation.changes_pictures()) {}

  const ImageConverter converter;
  const Augmentation augmentation;
  const Index batch_size;
  const std::uint64_t seed;
  const bool costly;
  Index batches = 0;

  // All below is guarded, except that the threads alone touch `spare` and read `order` and `epoch` while `working`.
  std::mutex guard;
  std::condition_variable changed;
  std::vector<Index> order;
  int epoch = 0;
  Index to_prepare = 0;            // the batch the threads make, or make next
  Index next_image = 0, left = 0;  // of it: the first that no thread has taken, and how many are not done
  Batch spare;
  bool working = false, ready = false, stop = false;
  std::exception_ptr error;
  Index error_at = 0;  // the image it is of: of several, the first is told
  std::vector<std::thread> workers;

  /// Makes `spare` room for batch `to_prepare`; throws if an image does not exist.
  void begin_batch() {
    const Index begin = to_prepare * batch_size,
                end = std::min(begin + batch_size, static_cast<Index>(order.size()));
    next_image = left = 0;
    spare.examples.assign(order.begin() + begin, order.begin() + end);
    converter.check(spare.examples);
    spare.labels.clear();
    for (Index e : spare.examples) spare.labels.push_back(converter.images().labels[e]);
    // Fresh from the pool, never overwritten in place: the caller may keep tensors that share the old memory.
    spare.images = Tensor();
    spare.images = Tensor::uninitialized(converter.batch_shape(end - begin));
    left = end - begin;
  }

  void prepare(Range images) {
    const Index size = spare.images.shape().example_size();
    for (Index i = images.begin; i < images.end; ++i) {
      const Index e = spare.examples[i];
      converter.convert(e, ImageConverter::draw(augmentation, seed, epoch, e),
                        spare.images.data() + i * size);
    }
  }

  void run() {
    std::unique_lock lock(guard);
    for (;;) {
      changed.wait(lock, [&] {
        return stop || (working ? next_image < batch_end() : !ready && !error && to_prepare < batches);
      });
      if (stop) return;
      if (!working) {
        try {
          begin_batch();
        } catch (...) {
          error = std::current_exception();
          changed.notify_all();
          continue;
        }
        working = true;
        if (costly) changed.notify_all();
      }
      const Range images{next_image, costly ? std::min(next_image + 1, batch_end()) : batch_end()};
      next_image = images.end;
      lock.unlock();
      std::exception_ptr caught;
      try {
        prepare(images);
      } catch (...) {
        caught = std::current_exception();
      }
      lock.lock();
      if (caught && (!error || images.begin < error_at)) {
        error = caught;
        error_at = images.begin;
      }
      left -= images.size();
      if (left > 0) continue;
      working = false;
      ready = !error;
      ++to_prepare;
      changed.notify_all();
    }
  }
  Index batch_end() const { return static_cast<Index>(spare.examples.size()); }
};

TrainLoader::TrainLoader(const ImageSet& images, const Preprocessing& preprocessing,
                         const Augmentation& augmentation, Index batch_size, std::uint64_t seed, int workers)
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
  const int count = !state_->costly ? 1 : workers > 0 ? workers : threads();
  try {
    for (int i = 0; i < count; ++i) state_->workers.emplace_back([s = state_.get()] { s->run(); });
  } catch (...) {  // the system has no more threads: those there are must end before they are destroyed
    stop_workers();
    throw;
  }
}

void TrainLoader::stop_workers() {
  {
    const std::lock_guard lock(state_->guard);
    state_->stop = true;
  }
  state_->changed.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

TrainLoader::~TrainLoader() { stop_workers(); }

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
  s.changed.wait(lock, [&] { return !s.working && (s.ready || s.error || s.to_prepare >= s.batches); });
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
