#include "framework/train/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace espalier {
namespace {

struct Constant final : LearningRateSettings {
  double factor(double, double) const override { return 1; }
};

struct Step final : LearningRateSettings {
  int every = 30;
  double gamma = 0.1;
  void own_fields(Fields& f) override {
    f("every", every, "epochs between drops", {.low = 1});
    f("gamma", gamma, "factor of each drop", {.low = 0, .low_open = true});
  }
  double factor(double epoch, double) const override { return std::pow(gamma, std::floor(epoch / every)); }
  void own_oddities(int epochs, std::vector<std::string>& found) const override {
    if (every >= epochs)
      found.push_back(
          fmt::format("every is {} and the run has {} epochs: the rate never drops", every, epochs));
  }
};

struct MultiStep final : LearningRateSettings {
  std::vector<int> milestones;
  double gamma = 0.1;
  void own_fields(Fields& f) override {
    f.required()("milestones", milestones, "epochs at which the rate drops, increasing", {.low = 1});
    f("gamma", gamma, "factor of each drop", {.low = 0, .low_open = true});
    f.rule(std::is_sorted(milestones.begin(), milestones.end()), "milestones must increase");
  }
  void own_oddities(int epochs, std::vector<std::string>& found) const override {
    std::vector<int> late;
    std::copy_if(milestones.begin(), milestones.end(), std::back_inserter(late),
                 [&](int m) { return m >= epochs; });
    if (!late.empty())
      found.push_back(
          fmt::format("the milestones {} come after the end of the run at {}: the rate never drops there",
                      fmt::join(late, ", "), epochs));
  }
  double factor(double epoch, double) const override {
    const auto passed =
        std::count_if(milestones.begin(), milestones.end(), [&](int m) { return epoch >= m; });
    return std::pow(gamma, static_cast<double>(passed));
  }
};

struct Exponential final : LearningRateSettings {
  double gamma = 0.95;
  void own_fields(Fields& f) override { f("gamma", gamma, "factor per epoch", {.low = 0, .low_open = true}); }
  double factor(double epoch, double) const override { return std::pow(gamma, epoch); }
};

struct Cosine final : LearningRateSettings {
  double final_share = 0;
  void own_fields(Fields& f) override {
    f("final_share", final_share, "rate at the end of the run, as a share of `rate`", {.low = 0, .high = 1});
  }
  double factor(double epoch, double epochs) const override {
    const double length = std::max(epochs - warmup_epochs, 1e-9);
    const double t = std::clamp((epoch - warmup_epochs) / length, 0.0, 1.0);
    return final_share + (1 - final_share) * 0.5 * (1 + std::cos(std::numbers::pi * t));
  }
};

/// Loshchilov & Hutter 2017: a cosine that begins anew after each period.
struct CosineRestarts final : LearningRateSettings {
  int period = 10;
  double growth = 1, final_share = 0;
  void own_fields(Fields& f) override {
    f("period", period, "epochs until the first restart, after the warm-up", {.low = 1});
    f("growth", growth, "each period is this many times as long as the one before", {.low = 1, .high = 100});
    f("final_share", final_share, "rate at the end of a period, as a share of `rate`", {.low = 0, .high = 1});
  }
  double factor(double epoch, double) const override {
    double since = std::max(0.0, epoch - warmup_epochs), length = period;
    for (; since >= length; length *= growth) since -= length;
    return final_share + (1 - final_share) * 0.5 * (1 + std::cos(std::numbers::pi * since / length));
  }
  void own_oddities(int epochs, std::vector<std::string>& found) const override {
    if (warmup_epochs + period >= epochs)
      found.push_back(fmt::format("period is {} and the run has {} epochs: the rate never restarts", period, epochs));
  }
};

using Rates = Registry<LearningRateSettings>;
const bool learning_rate_known =
    Rates::add<Constant>("constant", "the same rate throughout") &&
    Rates::add<Step>("step", "drops every so many epochs") &&
    Rates::add<MultiStep>("multi_step", "drops at given epochs") &&
    Rates::add<Exponential>("exponential", "falls by a factor per epoch") &&
    Rates::add<Cosine>("cosine", "half a cosine from rate to final_share * rate") &&
    Rates::add<CosineRestarts>("cosine_restarts", "half cosines, one after the other, from rate anew");

}  // namespace
}  // namespace espalier
