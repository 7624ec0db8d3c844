// fit.h: from pictures of any extents to images of one: scaled and cut the same way every time, or by a random part
// of them; and random changes of colour. Bytes to bytes; padding, mirroring and normalisation come after
// (preprocess.h).
#pragma once

#include <vector>

#include "framework/config/fields.h"
#include "framework/core/random.h"
#include "framework/data/resize.h"

namespace espalier {

/// Settings of the fixed way; those of torchvision's Resize and CenterCrop.
struct PictureFit {
  int resize = 0;                                ///< length of the shorter side; 0: as it is
  std::int64_t crop_height = 0, crop_width = 0;  ///< cut from the middle; 0: `resize`
  void fields(Fields& f);
  /// Whether it does anything.
  bool any() const { return resize > 0 || crop_height > 0; }
  int height() const { return static_cast<int>(crop_height ? crop_height : resize); }
  int width() const { return static_cast<int>(crop_width ? crop_width : resize); }
  bool operator==(const PictureFit&) const = default;
};

/// out[fit.height(), fit.width(), channels]; black where the crop is larger than the scaled picture.
void fit_picture(const PictureView& picture, const PictureFit& fit, std::uint8_t* out);

/// A random part of a picture, scaled to the extents of the images: torchvision's RandomResizedCrop.
struct RandomResizedCrop {
  std::vector<double> scale{0.08, 1}, ratio{3.0 / 4, 4.0 / 3};
  void fields(Fields& f);
};
/// The part, for a picture of height x width.
Box draw_crop(const RandomResizedCrop& settings, Index height, Index width, Random& random);

/// Random changes of colour, each by a factor drawn from [1 - s, 1 + s] (hue: a turn from [-s, s] of the circle), in
/// random order: torchvision's ColorJitter.
struct ColorJitter {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  void fields(Fields& f);
};
/// Changes `pixels` [count, channels] in place. Of grey images (and of any that have not 3 channels) only brightness
/// and contrast are changed.
void jitter_colors(const ColorJitter& settings, std::uint8_t* pixels, Index count, int channels,
                   Random& random);

}  // namespace espalier
