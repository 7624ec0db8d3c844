// image_task.h: what a classifier of images was trained for: how a picture becomes its input, and what its
// outputs mean. It travels with the network in checkpoints and compact files.
#pragma once

#include <string>
#include <vector>

#include "framework/data/data_config.h"

namespace espalier {

struct ImageTask {
  std::vector<int> picture;  ///< height, width and channels of an image, before any padding
  PictureFit fit{};  ///< how pictures of any extents become such images; else they must have its extents
  int height = 0, width = 0;  ///< of what the network sees
  Normalization normalization;
  std::vector<std::string> classes;  ///< names, in the order of the outputs
  void fields(Fields& f);

  Preprocessing preprocessing() const { return {height, width, normalization}; }
};

ImageTask task_of(const LoadedData& data);
/// On one line.
std::string to_json(const ImageTask& task);
/// Throws Error(config); `name` stands for the text in messages.
ImageTask task_from_json(const std::string& text, const std::string& name);

}  // namespace espalier
