// pictures.h: data sets whose pictures are made into images when they are asked for, as no memory would hold them
// all. What was made is kept as far as a given room goes; that saves time and changes no bit.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/core/parallel.h"
#include "framework/data/fit.h"

namespace espalier {

class Sha256;

/// Pictures of any extents, numbered from 0. Every function may be called from many threads at once.
struct Pictures {
  virtual ~Pictures() = default;
  virtual Index size() const = 0;
  virtual int channels() const = 0;
  /// Calls `use` with picture i, which lives until `use` returns. Throws Error(data) naming the file if it is damaged.
  virtual void read(Index i, FunctionRef<void(const PictureView&)> use) const = 0;
  /// Adds what picture i is told by: its bytes, or its file's name and size.
  virtual void identify(Index i, Sha256& hash) const = 0;
  /// Most memory that reading one takes, in bytes.
  virtual double bytes_to_read() const = 0;
};

/// Pictures made into images of fit.height() x fit.width().
class FittedPictures {
 public:
  /// Keeps up to `room` bytes of images: those of the lowest numbers.
  FittedPictures(std::shared_ptr<const Pictures> pictures, const PictureFit& fit, double room);
  Index image_bytes() const { return Index{fit_.height()} * fit_.width() * pictures_->channels(); }
  /// Writes image i, made the fixed way.
  void image(Index i, std::uint8_t* out) const;
  /// Writes a part of picture i drawn by `random`.
  void random_crop(Index i, const RandomResizedCrop& settings, Random& random, std::uint8_t* out) const;
  const Pictures& pictures() const { return *pictures_; }
  /// Room for images that are kept, in bytes.
  double room() const { return static_cast<double>(kept_ * image_bytes()); }

 private:
  enum class Slot : std::uint8_t { empty, filling, full };
  std::shared_ptr<const Pictures> pictures_;
  PictureFit fit_;
  Index kept_;
  std::unique_ptr<std::uint8_t[]> images_;  // [kept]; the system gives pages as they are first written
  std::unique_ptr<std::atomic<Slot>[]> slots_;
};

/// Files, decoded to `channels` 1 or 3. `root` begins every path; the rest is what the hash knows of a name.
std::shared_ptr<const Pictures> picture_files(std::vector<std::string> paths, const std::string& root,
                                              int channels, double bytes_to_read);

}  // namespace espalier
