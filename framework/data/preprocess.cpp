#include "framework/data/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

#include "framework/core/parallel.h"
#include "framework/core/random.h"

namespace espalier {

void Normalization::fields(Fields& f) {
  f.required()("mean", mean, "mean of every channel, on the scale pixel / 255");
  f.required()("std", std, "standard deviation of every channel, on the scale pixel / 255",
               {.low = 0, .low_open = true});
  f.rule(mean.size() == std.size(),
         fmt::format("mean has {} numbers and std has {}; both need one for each channel", mean.size(),
                     std.size()));
}

void Augmentation::fields(Fields& f) {
  f("crop_padding", crop_padding,
    "black pixels added on every side before a random crop of the original extent", {.low = 0, .high = 1024});
  f("horizontal_flip", horizontal_flip, "mirror an image with probability 1/2");
  f.optional_object(
      "random_resized_crop", random_resized_crop,
      "a random part of the picture, scaled to the image, instead of data.resize and data.crop; they "
      "say its extents, and hold for all but training");
  f.optional_object("color_jitter", color_jitter, "random changes of colour");
}

namespace {

using Histograms = std::vector<std::array<std::uint64_t, 256>>;  // of each channel

void count_bytes(std::span<const std::uint8_t> pixels, Histograms& counts) {
  const std::size_t channels = counts.size();
  for (std::size_t i = 0; i < pixels.size(); i += channels)
    for (std::size_t c = 0; c < channels; ++c) ++counts[c][pixels[i + c]];
}

}  // namespace

Normalization measure_normalization(const ImageSet& train) {
  const auto channels = static_cast<std::size_t>(train.channels);
  if ((train.pixels.empty() && (!train.pictures || train.size() == 0)) || channels == 0)
    fail(ExitCode::data, "[data] cannot measure the normalisation of a training set without pixels");
  Histograms counts(channels);
  if (!train.pictures) count_bytes(train.pixels, counts);
  std::mutex guard;  // sums of integers are the same in any order
  parallel_for(train.pictures ? train.size() : 0, 8, [&](Range part) {
    Histograms own(channels);
    std::vector<std::uint8_t> image(train.image_bytes());
    for (Index i = part.begin; i < part.end; ++i) {
      train.pictures->image(train.numbers[i], image.data());
      count_bytes(image, own);
    }
    const std::lock_guard lock(guard);
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t byte = 0; byte < 256; ++byte) counts[c][byte] += own[c][byte];
  });

  Normalization result;
  const std::size_t bytes = train.pictures ? train.size() * train.image_bytes() : train.pixels.size(),
                    count = bytes / channels;
  const auto n = static_cast<double>(count);
  for (const auto& histogram : counts) {
    std::uint64_t sum = 0;
    for (std::uint64_t byte = 0; byte < 256; ++byte) sum += byte * histogram[byte];
    const double mean = static_cast<double>(sum) / n;
    double squares = 0;  // around the mean, so nothing cancels
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const double distance = static_cast<double>(byte) - mean;
      squares += static_cast<double>(histogram[byte]) * distance * distance;
    }
    const bool constant = *std::max_element(histogram.begin(), histogram.end()) == count;
    result.mean.push_back(mean / 255);
    result.std.push_back(constant ? 1 : std::sqrt(squares / n) / 255);
  }
  return result;
}

ImageConverter::ImageConverter(const ImageSet& images, const Preprocessing& preprocessing)
    : images_(images),
      height_(preprocessing.height),
      width_(preprocessing.width),
      top_((height_ - images.height) / 2),
      left_((width_ - images.width) / 2) {
  if (height_ < images.height || width_ < images.width)
    fail(ExitCode::config,
         "data.pad_to: images of {}x{} do not fit into {}x{}; padding cannot shrink an image", images.height,
         images.width, height_, width_);
  const auto channels = static_cast<std::size_t>(images.channels);
  const auto& [mean, std] = preprocessing.normalization;
  if (mean.size() != channels || std.size() != channels)
    fail(ExitCode::config,
         "data.normalize: {} means and {} standard deviations for "
         "images of {} channels; one of each is needed for each channel",
         mean.size(), std.size(), channels);
  table_.resize(256 * channels);
  for (std::size_t byte = 0; byte < 256; ++byte)
    for (std::size_t c = 0; c < channels; ++c)
      table_[byte * channels + c] = static_cast<Real>((static_cast<double>(byte) / 255 - mean[c]) / std[c]);
}

ImageConverter::Change ImageConverter::draw(const Augmentation& augmentation, std::uint64_t seed, int epoch,
                                            Index example) {
  if (augmentation.crop_padding == 0 && !augmentation.horizontal_flip && !augmentation.changes_pictures())
    return {};  // as most images are read
  Random random(seed, Random::Use::augment,
                {static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(example)});
  const int padding = augmentation.crop_padding;
  const auto offset = [&] {
    return static_cast<int>(random.below(2 * static_cast<std::uint64_t>(padding) + 1)) - padding;
  };
  Change change;
  change.down = offset();
  change.right = offset();
  change.flip = augmentation.horizontal_flip && random.below(2) == 1;
  if (augmentation.changes_pictures()) {
    change.picture = &augmentation;
    change.key = random.next();
  }
  return change;
}

/// Bytes of the image, changed but not moved; they live until the thread asks for the next.
const std::uint8_t* ImageConverter::bytes_of(Index example, const Change& change) const {
  if (!images_.pictures && !change.picture) return images_.image(example).data();
  thread_local std::vector<std::uint8_t> bytes;
  bytes.resize(images_.image_bytes());
  Random random(change.key, Random::Use::augment);
  const Augmentation* how = change.picture;
  const FittedPictures* made = images_.pictures.get();
  const Index number = made ? images_.numbers[example] : example;
  if (how && how->random_resized_crop) {
    if (made) {
      made->random_crop(number, *how->random_resized_crop, random, bytes.data());
    } else {
      const int height = images_.height, width = images_.width;
      const PictureView view{images_.image(example).data(), height, width, images_.channels};
      resize_bilinear(view, draw_crop(*how->random_resized_crop, height, width, random), height, width,
                      {0, 0, height, width}, bytes.data());
    }
  } else if (made) {
    made->image(number, bytes.data());
  } else {
    std::ranges::copy(images_.image(example), bytes.begin());
  }
  if (how && how->color_jitter)
    jitter_colors(*how->color_jitter, bytes.data(), Index{images_.height} * images_.width, images_.channels,
                  random);
  return bytes.data();
}

namespace {

/// One row: `n` pixels of C channels from `in`, written forwards (step = C) or backwards (step = -C).
template <int C>
void convert_row(const std::uint8_t* in, const Real* table, int n, int channels, Real* out, Index step) {
  const int count = C > 0 ? C : channels;
  for (int x = 0; x < n; ++x, in += count, out += step)
    for (int c = 0; c < count; ++c) out[c] = table[in[c] * count + c];
}

}  // namespace

void ImageConverter::convert(Index example, const Change& change, Real* out) const {
  const int channels = images_.channels;
  const std::uint8_t* image = bytes_of(example, change);
  const Real* black = table_.data();
  // Column x of the window shows column x + shift of the image; [begin, end) are those that exist.
  const int shift = change.right - left_;
  const int begin = std::clamp(-shift, 0, width_);
  const int end = std::clamp(images_.width - shift, begin, width_);
  const auto fill = [&](Real* to, int pixels) {
    for (int x = 0; x < pixels; ++x, to += channels) std::copy_n(black, channels, to);
  };
  const auto row_of = channels == 3 ? convert_row<3> : channels == 1 ? convert_row<1> : convert_row<0>;
  for (int y = 0; y < height_; ++y, out += Index{width_} * channels) {
    const int from = y + change.down - top_;
    if (from < 0 || from >= images_.height || begin == end) {
      fill(out, width_);
      continue;
    }
    const std::uint8_t* in = image + (Index{from} * images_.width + begin + shift) * channels;
    if (change.flip) {
      fill(out, width_ - end);
      row_of(in, table_.data(), end - begin, channels, out + Index{width_ - 1 - begin} * channels, -channels);
      fill(out + Index{width_ - begin} * channels, begin);
    } else {
      fill(out, begin);
      row_of(in, table_.data(), end - begin, channels, out + Index{begin} * channels, channels);
      fill(out + Index{end} * channels, width_ - end);
    }
  }
}

void ImageConverter::check(std::span<const Index> examples) const {
  const Index n = images_.size();
  if (!images_.pictures && static_cast<Index>(images_.pixels.size()) != n * images_.image_bytes())
    fail(ExitCode::data, "[data] {} labels need {} bytes of pixels ({} each), but there are {}", n,
         n * images_.image_bytes(), images_.image_bytes(), images_.pixels.size());
  for (Index e : examples)
    if (e < 0 || e >= n)
      fail(ExitCode::data, "[data] example {} does not exist; the set has {} images", e, n);
}

void load_examples(const ImageSet& images, const Preprocessing& preprocessing,
                   std::span<const Index> examples, Batch& out, const Augmentation& augmentation,
                   std::uint64_t seed) {
  const ImageConverter converter(images, preprocessing);
  converter.check(examples);
  const auto n = static_cast<Index>(examples.size());
  const Shape shape = converter.batch_shape(n);
  // Given back before it is asked for again: the pool then returns the same memory, and a copy of out.images
  // that somebody still holds is not overwritten.
  out.images = Tensor();
  out.images = Tensor::uninitialized(shape);
  out.examples.assign(examples.begin(), examples.end());
  out.labels.clear();
  for (Index e : examples) out.labels.push_back(images.labels[e]);
  const bool quick = !images.pictures && !augmentation.changes_pictures();
  parallel_for(n, quick ? 32 : 1, [&](Range part) {
    for (Index i = part.begin; i < part.end; ++i) {
      const Index e = examples[i];
      converter.convert(e, ImageConverter::draw(augmentation, seed, 0, e),
                        out.images.data() + i * shape.example_size());
    }
  });
}

}  // namespace espalier
