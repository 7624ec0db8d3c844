#include "framework/deploy/classifier.h"

#include <cmath>

#include "framework/core/check.h"
#include "framework/data/decode_image.h"
#include "framework/deploy/network_file.h"

namespace espalier {

Classifier::Classifier(const std::filesystem::path& file) : Classifier(read_network_file(file), file) {}

Classifier::Classifier(const NetworkFile& network, const std::filesystem::path& file)
    : file_(file), task_(network.task), engine_(network.graph, network.weights) {}

std::vector<double> Classifier::operator()(const std::filesystem::path& picture) const {
  const int height = task_.picture[0], width = task_.picture[1], channels = task_.picture[2];
  if (channels != 1 && channels != 3)
    fail(ExitCode::data, "{}: is for pictures of {} channels; PNG and JPEG files give 1 or 3", file_.string(),
         channels);
  DecodedImage image = decode_image(picture, channels);
  if (task_.fit.any()) {
    Bytes fitted(std::size_t(height) * std::size_t(width) * std::size_t(channels));
    fit_picture({image.pixels.data(), image.height, image.width, channels}, task_.fit, fitted.data());
    return (*this)(fitted);
  }
  if (image.height != height || image.width != width)
    fail(ExitCode::data, "{}: has {}x{} pixels; {} is for pictures of {}x{}. Scale or cut it first",
         picture.string(), image.height, image.width, file_.string(), height, width);
  return (*this)(image.pixels);
}

std::vector<double> Classifier::operator()(std::span<const std::uint8_t> pixels) const {
  ImageSet set;
  set.height = task_.picture[0];
  set.width = task_.picture[1];
  set.channels = task_.picture[2];
  set.labels = {0};
  if (static_cast<Index>(pixels.size()) != set.image_bytes())
    fail(ExitCode::data, "a picture of {} bytes; {} is for {} (height {}, width {}, channels {})",
         pixels.size(), file_.string(), set.image_bytes(), set.height, set.width, set.channels);
  set.pixels.assign(pixels.begin(), pixels.end());
  Batch batch;
  const std::vector<Index> first{0};
  load_examples(set, task_.preprocessing(), first, batch);
  const Tensor logits = engine_(batch.images);
  double most = logits.data()[0], sum = 0;
  for (const Real v : logits.values()) most = std::max(most, static_cast<double>(v));
  std::vector<double> probabilities;
  for (const Real v : logits.values())
    sum += probabilities.emplace_back(std::exp(static_cast<double>(v) - most));
  for (double& p : probabilities) p /= sum;
  return probabilities;
}

}  // namespace espalier
