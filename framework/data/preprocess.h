// preprocess.h: from bytes to the numbers a network sees. Pictures become images (fit.h), and their colours change;
// padding, cropping and flipping move bytes; normalisation is the last step, so a padded pixel is a black pixel (byte
// 0) like any other. No files are read here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/core/tensor.h"
#include "framework/data/image_set.h"

namespace espalier {

/// x = (byte / 255 - mean) / std, one mean and one std for each channel.
struct Normalization {
  std::vector<double> mean, std;
  void fields(Fields& f);
};

/// Mean and standard deviation (of the population, not the sample) of byte / 255 in each channel over all
/// pixels of `train`, before any padding. Sums are kept in integers, so the result is exact up to its last
/// rounding. A channel that has one value everywhere gets std 1: its deviation 0 could not be divided by.
/// Throws Error(data) if empty.
Normalization measure_normalization(const ImageSet& train);

struct Preprocessing {
  int height = 0, width = 0;  ///< of what the network sees; at least those of the images
  Normalization normalization;
};

/// Random changes of training images, drawn anew in every epoch and applied in this order (the mirror last).
struct Augmentation {
  int crop_padding = 0;  ///< black pixels put on every side before a crop of the original extent is taken
  bool horizontal_flip = false;                            ///< mirror left and right with probability 1/2
  std::optional<RandomResizedCrop> random_resized_crop{};  ///< instead of the fixed resize and crop
  std::optional<ColorJitter> color_jitter{};
  /// Whether the bytes of an image become others, besides being moved.
  bool changes_pictures() const { return random_resized_crop || color_jitter; }
  void fields(Fields& f);
};

struct Batch {
  Tensor images;                     ///< [n, h, w, c], normalised
  std::vector<std::int32_t> labels;  ///< [n]
  std::vector<Index> examples;       ///< [n], index of each image in its set
  Index size() const { return static_cast<Index>(labels.size()); }
};

/// Converts images one at a time. Thread-safe once built.
class ImageConverter {
 public:
  /// Throws Error(config) if the extents or the channels of `preprocessing` do not fit `images`. Keeps a
  /// reference to `images`.
  ImageConverter(const ImageSet& images, const Preprocessing& preprocessing);
  Shape batch_shape(Index n) const { return {n, height_, width_, images_.channels}; }

  /// How one image is changed: as `picture` says by random numbers of `key`, where it is not null; then the window
  /// moved by (down, right) pixels, then mirrored.
  struct Change {
    int down = 0, right = 0;
    bool flip = false;
    const Augmentation* picture = nullptr;  // that of draw(), which must live on
    std::uint64_t key = 0;
  };
  /// The change of `example` in `epoch`: a function of its arguments alone,
  /// so threads and order do not matter.
  static Change draw(const Augmentation& augmentation, std::uint64_t seed, int epoch, Index example);

  /// Writes image `example` to out[h, w, c].
  void convert(Index example, const Change& change, Real* out) const;
  /// Throws Error(data) if `images` does not hold the pixels of `examples`.
  void check(std::span<const Index> examples) const;
  const ImageSet& images() const { return images_; }

 private:
  const std::uint8_t* bytes_of(Index example, const Change& change) const;
  const ImageSet& images_;
  int height_, width_;
  int top_, left_;           // where the image begins within the padded one
  std::vector<Real> table_;  // [256, channels]: byte -> normalised value
};

/// Reads `examples` into `out`, whose memory is reused; un-augmented, or as epoch 0 of `seed` augments them.
/// Runs on all threads.
void load_examples(const ImageSet& images, const Preprocessing& preprocessing,
                   std::span<const Index> examples, Batch& out, const Augmentation& augmentation = {},
                   std::uint64_t seed = 0);

}  // namespace espalier
