// classifier.h: a network file put to use: pictures in, probabilities out. Needs neither the config nor the
// data it was trained with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/image_task.h"
#include "framework/infer/engine.h"

namespace espalier {

class Classifier {
 public:
  /// Reads a file that `espalier compress` wrote. Throws Error(checkpoint).
  explicit Classifier(const std::filesystem::path& file);
  /// Of a network that has been read; `file` is for messages.
  Classifier(const struct NetworkFile& network, const std::filesystem::path& file);

  const std::vector<std::string>& classes() const { return task_.classes; }
  /// Probabilities, in the order of classes(), of a picture's file; of any extents if the network was trained on
  /// such (data.resize), else of those it was trained with. Throws Error(data) naming the picture.
  std::vector<double> operator()(const std::filesystem::path& picture) const;
  /// The same of a picture in memory: bytes [height, width, channels].
  std::vector<double> operator()(std::span<const std::uint8_t> pixels) const;

 private:
  std::filesystem::path file_;
  ImageTask task_;
  Engine engine_;
};

}  // namespace espalier
