#include "tools/run/oddities.h"

#include <algorithm>

#include "framework/io/progress.h"
#include "tools/run/session.h"

namespace espalier {

std::vector<std::string> oddities(const RunConfig& config) {
  std::vector<std::string> found;
  const TrainSettings& train = config.train;
  if (train.epochs > 0)
    for (const std::string& text : train.learning_rate->oddities(train.epochs))
      found.push_back("train.learning_rate: " + text);
  const std::vector<ScheduleEvent> events =
      config.prune ? config.prune->schedule->events() : std::vector<ScheduleEvent>();
  if (config.checkpoint.empty() && config.model.type != "onnx" && !events.empty() && events.front().epoch == 0)
    found.push_back(
        "prune.schedule prunes at epoch 0, and there is no checkpoint: the weights then are a random initialisation, "
        "whose Fisher and predicted losses say nothing of a network that has learnt. Let it train first "
        "(prune.schedule.start_epoch or epoch), or give a checkpoint");
  if ((train.keep_best || train.patience > 0) && config.data.hold_out == 0)
    found.push_back(
        "train.keep_best and train.patience choose by the test images, so the best accuracy is a little too good; "
        "data.hold_out puts training images in their place");
  if (config.data.normalize) {
    const auto& [mean, std] = *config.data.normalize;
    const auto beyond = [](double v) { return v < 0 || v > 1; };
    if (std::any_of(mean.begin(), mean.end(), beyond) || std::any_of(std.begin(), std.end(), beyond))
      found.push_back(fmt::format(
          "data.normalize: mean {} and std {} are of pixel / 255, where both lie between 0 and 1{}",
          fmt::join(mean, " "), fmt::join(std, " "),
          std::all_of(mean.begin(), mean.end(), [](double v) { return v > 1 && v <= 255; })
              ? "; divide them by 255 if they are of pixels from 0 to 255"
              : ""));
  }
  return found;
}

std::vector<std::string> zeros_without_masks(const Model& model) {
  const ParameterStore& store = model.store();
  std::vector<std::string> layers;
  for (const ParameterInfo& p : store.infos()) {
    Index zeros = 0;
    for (Index i = p.range.begin; p.role == Role::weight && i < p.range.end; ++i)
      zeros += store.mask()[i] != 0 && store.values()[i] == 0;
    constexpr double remarkable = 0.01;  // of a layer: a few zeros are rounding
    if (zeros > 0 && static_cast<double>(zeros) >= remarkable * static_cast<double>(p.range.size()))
      layers.push_back(
          fmt::format("{} ({} of {})", p.layer(), format_count(zeros), format_count(p.range.size())));
  }
  if (layers.empty()) return {};
  constexpr std::size_t most = 8;
  const std::size_t others = layers.size() - std::min(layers.size(), most);
  layers.resize(layers.size() - others);
  const WeightCount count = count_weights(store);
  return {fmt::format(
      "{} of {} weights are zero, but not pruned: no mask keeps them so, and training revives them; "
      "\"masks\": \"zeros\" makes them pruned ones. They are in {}{}",
      format_count(count.zeros), format_count(count.weights), fmt::join(layers, ", "),
      others > 0 ? fmt::format(" and {} more layers", others) : "")};
}

}  // namespace espalier
