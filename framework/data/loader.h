// loader.h: the batches of a training epoch: shuffled, augmented, and prepared by threads of its own while the batch
// before is trained on. Reading single examples as they are is load_examples() in preprocess.h.
#pragma once

#include <cstdint>
#include <memory>

#include "framework/data/preprocess.h"

namespace espalier {

/// Yields every image of a set once an epoch. Which images form batch b of epoch e, and how each is
/// augmented, is a function of (seed, e, b) alone, so a run can be resumed at any batch.
class TrainLoader {
 public:
  /// `images` must outlive the loader and stay as it is; the last batch of an epoch may be smaller. `workers`
  /// threads share each batch where its images must be decoded or their colours changed (0: threads()), else one
  /// prepares it; the bits do not depend on their number. Throws Error(config) on sizes that do not fit, or if there
  /// are no images.
  TrainLoader(const ImageSet& images, const Preprocessing& preprocessing, const Augmentation& augmentation,
              Index batch_size, std::uint64_t seed, int workers = 0);
  ~TrainLoader();
  TrainLoader(const TrainLoader&) = delete;
  TrainLoader& operator=(const TrainLoader&) = delete;

  Index batches_per_epoch() const;
  /// Begins `epoch` (>= 0) at `first_batch` (0 .. batches_per_epoch());
  /// what was left of another epoch is dropped.
  void start_epoch(int epoch, Index first_batch = 0);
  /// Moves the next batch into `out`; false at the end of the epoch, and before the first. Rethrows what went
  /// wrong while the batch was prepared; start_epoch() may then be called again.
  bool next(Batch& out);

 private:
  void stop_workers();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier
