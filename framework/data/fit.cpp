#include "framework/data/fit.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace espalier {

void PictureFit::fields(Fields& f) {
  f("resize", resize,
    "scale pictures so that their shorter side has this many pixels (antialiased, bilinear); 0: leave them as they "
    "are",
    {.low = 0, .high = 65536});
  f.sides(
      "crop", {&crop_height, &crop_width},
      "height and width cut from the middle of the scaled picture, black where it is smaller; 0: a square of "
      "\"resize\"",
      {.low = 0, .high = 65536});
  f.rule((crop_height > 0) == (crop_width > 0),
         fmt::format("crop is {} x {}; both must be given, or neither", crop_height, crop_width));
}

void RandomResizedCrop::fields(Fields& f) {
  f("scale", scale, "smallest and largest share of the picture's area",
    {.low = 0, .high = 1, .low_open = true});
  f("ratio", ratio, "smallest and largest width / height", {.low = 0, .high = 1000, .low_open = true});
  f.rule(scale.size() == 2 && scale[0] <= scale[1], "scale needs two numbers, the smaller one first");
  f.rule(ratio.size() == 2 && ratio[0] <= ratio[1], "ratio needs two numbers, the smaller one first");
}

void ColorJitter::fields(Fields& f) {
  f("brightness", brightness, "largest relative change of brightness", {.low = 0, .high = 10});
  f("contrast", contrast, "largest relative change of contrast", {.low = 0, .high = 10});
  f("saturation", saturation, "largest relative change of saturation", {.low = 0, .high = 10});
  f("hue", hue, "largest turn of the hue, where 1 is the whole circle", {.low = 0, .high = 0.5});
}

namespace {

/// Where the middle part of length `part` begins in `whole`: torchvision's, which rounds halves to even.
Index middle(Index whole, Index part) {
  return whole >= part ? static_cast<Index>(std::nearbyint(static_cast<double>(whole - part) / 2))
                       : -((part - whole) / 2);
}

}  // namespace

void fit_picture(const PictureView& picture, const PictureFit& fit, std::uint8_t* out) {
  Index height = picture.height, width = picture.width;
  if (fit.resize > 0) {
    const Index shorter = std::min(height, width), longer = std::max(height, width) * fit.resize / shorter;
    (height < width ? width : height) = longer;
    (picture.height < picture.width ? height : width) = fit.resize;
  }
  const Index crop_h = fit.height(), crop_w = fit.width(), top = middle(height, crop_h),
              left = middle(width, crop_w);
  const Box window{std::max<Index>(top, 0), std::max<Index>(left, 0), std::min(height, crop_h),
                   std::min(width, crop_w)};
  const Box all{0, 0, picture.height, picture.width};
  if (window.height == crop_h && window.width == crop_w)
    return resize_bilinear(picture, all, height, width, window, out);
  std::fill_n(out, crop_h * crop_w * picture.channels, std::uint8_t{0});
  std::vector<std::uint8_t> part(window.height * window.width * picture.channels);
  resize_bilinear(picture, all, height, width, window, part.data());
  const Index row = window.width * picture.channels;
  for (Index y = 0; y < window.height; ++y)
    std::copy_n(
        part.data() + y * row, row,
        out + ((y + std::max<Index>(-top, 0)) * crop_w + std::max<Index>(-left, 0)) * picture.channels);
}

Box draw_crop(const RandomResizedCrop& settings, Index height, Index width, Random& random) {
  const double h = static_cast<double>(height), w = static_cast<double>(width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = h * w * random.uniform(settings.scale[0], settings.scale[1]),
                 ratio = std::exp(random.uniform(std::log(settings.ratio[0]), std::log(settings.ratio[1])));
    const auto crop_w = static_cast<Index>(std::llround(std::min(std::sqrt(area * ratio), 1e9))),
               crop_h = static_cast<Index>(std::llround(std::min(std::sqrt(area / ratio), 1e9)));
    if (crop_w < 1 || crop_h < 1 || crop_w > width || crop_h > height) continue;
    Box box{0, 0, crop_h, crop_w};
    box.top = static_cast<Index>(random.below(static_cast<std::uint64_t>(height - crop_h + 1)));
    box.left = static_cast<Index>(random.below(static_cast<std::uint64_t>(width - crop_w + 1)));
    return box;
  }
  // None fits a picture this long: the largest part from its middle that the ratios allow.
  Box box{0, 0, height, width};
  if (w / h < settings.ratio[0]) box.height = std::max<Index>(1, std::llround(w / settings.ratio[0]));
  if (w / h > settings.ratio[1]) box.width = std::max<Index>(1, std::llround(h * settings.ratio[1]));
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

namespace {

std::uint8_t clamped_byte(double value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)); }

double luma(const std::uint8_t* rgb) {
  return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >>
         16;  // ITU-R BT.601, as Pillow rounds it
}

/// v becomes base + factor * (v - base).
void move_from(double base, double factor, std::uint8_t* v, Index count) {
  for (Index i = 0; i < count; ++i) v[i] = clamped_byte(base + factor * (v[i] - base));
}

void change_contrast(double factor, std::uint8_t* pixels, Index count, int channels) {
  double sum = 0;
  for (Index i = 0; i < count; ++i) {
    const std::uint8_t* p = pixels + i * channels;
    if (channels == 3)
      sum += luma(p);
    else
      for (int c = 0; c < channels; ++c) sum += p[c] / static_cast<double>(channels);
  }
  move_from(std::floor(sum / static_cast<double>(count) + 0.5), factor, pixels, count * channels);
}

/// Turns the colours around the grey axis by way of hue, saturation and value.
void turn_hue(double turn, std::uint8_t* pixels, Index count) {
  for (Index i = 0; i < count; ++i) {
    std::uint8_t* p = pixels + 3 * i;
    const double r = p[0], g = p[1], b = p[2], most = std::max({r, g, b}), range = most - std::min({r, g, b});
    if (range == 0) continue;
    double hue = most == r ? (g - b) / range : most == g ? 2 + (b - r) / range : 4 + (r - g) / range;
    hue += 6 * turn + 12;
    const auto channel = [&](double n) {
      const double k = std::fmod(n + hue, 6.0);
      return clamped_byte(most - range * std::clamp(std::min(k, 4 - k), 0.0, 1.0) + 0.5);
    };
    p[0] = channel(5);
    p[1] = channel(3);
    p[2] = channel(1);
  }
}

}  // namespace

void jitter_colors(const ColorJitter& settings, std::uint8_t* pixels, Index count, int channels,
                   Random& random) {
  const auto factor = [&](double s) { return random.uniform(std::max(0.0, 1 - s), 1 + s); };
  const double brightness = factor(settings.brightness), contrast = factor(settings.contrast),
               saturation = factor(settings.saturation), turn = random.uniform(-settings.hue, settings.hue);
  std::vector<int> order{0, 1, 2, 3};
  random.shuffle(order);
  for (const int change : order) {
    if (change == 0 && settings.brightness > 0) move_from(0, brightness, pixels, count * channels);
    if (change == 1 && settings.contrast > 0) change_contrast(contrast, pixels, count, channels);
    if (channels != 3) continue;
    if (change == 2 && settings.saturation > 0)
      for (Index i = 0; i < count; ++i) move_from(luma(pixels + 3 * i), saturation, pixels + 3 * i, 3);
    if (change == 3 && settings.hue > 0) turn_hue(turn, pixels, count);
  }
}

}  // namespace espalier
