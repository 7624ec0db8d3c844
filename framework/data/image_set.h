// image_set.h: a data set: images of one size as bytes 0..255, HWC (pixels interleaved, rows from the top), one label
// each. They lie in memory (CIFAR-10 takes 184 MB), or are made from pictures when they are asked for
// (pictures.h); load_examples() and TrainLoader know both.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/core/real.h"
#include "framework/data/pictures.h"

namespace espalier {

struct ImageSet {
  int height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t>
      pixels;  ///< [count, height, width, channels]; empty where images are made from pictures
  std::vector<std::int32_t> labels;                  ///< [count], 0 .. classes-1
  std::shared_ptr<const FittedPictures> pictures{};  ///< null: the images lie in `pixels`
  std::vector<Index> numbers{};                      ///< [count], of each image's picture
  Index size() const { return static_cast<Index>(labels.size()); }
  Index image_bytes() const { return Index{height} * width * channels; }
  /// Where they lie in memory.
  std::span<const std::uint8_t> image(Index i) const {
    return {pixels.data() + i * image_bytes(), static_cast<std::size_t>(image_bytes())};
  }
};

struct DataSource {
  ImageSet train, test;
  std::vector<std::string> class_names;
  std::string
      hash;  ///< SHA-256, hexadecimal, over the pixels and labels of train, then test; open_data() sets it
  std::string test_hash{};             ///< the same over the test images alone
  std::vector<std::string> notices{};  ///< what was left out of the files, for people
  int classes() const { return static_cast<int>(class_names.size()); }
};

/// A data set of pictures of any extents, before data.resize and data.crop.
struct PictureSource {
  struct Part {
    std::shared_ptr<const Pictures> pictures;  ///< null: none
    std::vector<std::int32_t> labels;
  };
  Part train, test;
  std::vector<std::string> class_names, notices;
};

/// Settings of one kind of data set; `open` reads it or throws Error(data). Registered under its config name
/// with `const bool known = Registry<DataSettings>::add<MySettings>("my_type", "one line of help");`
struct DataSettings {
  virtual ~DataSettings() = default;
  virtual void fields(Fields& f) = 0;
  virtual DataSource open() const = 0;
  /// The test images alone, for kinds whose training images need not be there for that; `train` is empty but has
  /// its extents.
  virtual DataSource open_test() const { return open(); }
  /// The pictures as they are, for data.resize and data.crop; those of kinds that have one size are in memory.
  virtual PictureSource open_pictures(bool test_only) const;
};

}  // namespace espalier
