#include "framework/data/image_task.h"

#include "framework/config/reader.h"
#include "framework/config/writer.h"

namespace espalier {

void ImageTask::fields(Fields& f) {
  f.required()("picture", picture, "height, width and channels of an image", {.low = 1});
  fit.fields(f);
  f.required()("height", height, "of what the network sees", {.low = 1});
  f.required()("width", width, "of what the network sees", {.low = 1});
  normalization.fields(f);
  f.required()("classes", classes, "their names, in the order of the outputs");
  f.rule(picture.size() == 3 && picture[0] <= height && picture[1] <= width &&
             normalization.mean.size() == static_cast<std::size_t>(picture[2]),
         "a picture has height, width and channels, fits into what the network sees, and has a mean for each "
         "channel");
  f.rule(!fit.any() || (picture.size() == 3 && fit.height() == picture[0] && fit.width() == picture[1]),
         "resize and crop must make pictures of the extents of \"picture\"");
}

ImageTask task_of(const LoadedData& data) {
  const ImageSet& set = data.source.train;
  const Preprocessing& p = data.preprocessing;
  return {{set.height, set.width, set.channels},
          data.fit,
          p.height,
          p.width,
          p.normalization,
          data.source.class_names};
}

std::string to_json(const ImageTask& task) {
  ImageTask copy = task;
  return one_line(resolved_json(copy));
}

ImageTask task_from_json(const std::string& text, const std::string& name) {
  ImageTask task;
  read_config(JsonDocument::parse(text, name), task);
  return task;
}

}  // namespace espalier
