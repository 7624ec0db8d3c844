#include "pruning/step/moment_log.h"

#include <fcntl.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/io/atomic_file.h"
#include "framework/train/evaluate.h"

namespace espalier {
namespace {

constexpr Index most_images = 2000, most_weights = 8192;

}  // namespace

std::string moment_line(const Moment& moment, const Model& model, const PrunableLayers& layers,
                        const LoadedData& data) {
  const LayerView& first = layers.views.front();
  const Range place = layers.places.front();
  const std::span<const Real> w = model.store().values().subspan(place.begin, place.size()),
                              kept = model.store().mask().subspan(place.begin, place.size());
  std::vector<int> codes;
  double scale = 0;
  for (const Real v : w) scale = std::max(scale, std::abs(static_cast<double>(v)));
  for (std::size_t i = 0; i < w.size() && place.size() <= most_weights; ++i)
    codes.push_back(kept[i] == 0 ? -128
                                 : static_cast<int>(std::lround(scale > 0 ? 127 * static_cast<double>(w[i]) / scale : 0)));
  std::vector<Index> shape;
  for (int axis = 0; axis < first.shape.rank(); ++axis) shape.push_back(first.shape[axis]);
  return nlohmann::ordered_json{{"epoch", moment.epoch},
                                {"sub_step", moment.sub_step},
                                {"sparsity", moment.sparsity},
                                {"test_accuracy", moment.test_accuracy},
                                {"what", moment.what},
                                {"layer", first.name},
                                {"shape", shape},
                                {"scale", scale},
                                {"weights", codes},
                                {"classes", predicted_classes(model, data.source.test, data.preprocessing, most_images)}}
             .dump() +
         "\n";
}

void log_moment(const std::filesystem::path& folder, const std::string& line, bool first) {
  FileHandle file(folder / "moments.jsonl", O_WRONLY | O_CREAT | (first ? O_TRUNC : O_APPEND), ExitCode::io);
  file.write(line);
  file.sync();
}

}  // namespace espalier
