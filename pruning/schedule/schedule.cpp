#include "pruning/schedule/schedule.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

struct OneShot final : ScheduleSettings {
  double final_sparsity = 0.9;
  int epoch = 0;
  void fields(Fields& f) override {
    f("final_sparsity", final_sparsity, "share of the prunable weights to remove",
      {.low = 0, .high = 1, .high_open = true});
    f("epoch", epoch, "epochs trained before", {.low = 0, .high = most_epochs});
  }
  int last_epoch() const override { return epoch; }
  std::vector<ScheduleEvent> events() const override { return {{epoch, final_sparsity}}; }
};

/// s_t = s_f + (s_i - s_f) (1 - (t - t0) / (t1 - t0))^degree (Zhu & Gupta 2017; degree 3 there).
struct Polynomial : ScheduleSettings {
  double init_sparsity = 0, final_sparsity = 0.9;
  int start_epoch = 0, end_epoch = 0, update_frequency = 1;
  void fields(Fields& f) override {
    f("init_sparsity", init_sparsity,
      "sparsity at start_epoch; 0: the first step comes update_frequency later",
      {.low = 0, .high = 1, .high_open = true});
    f("final_sparsity", final_sparsity, "sparsity at end_epoch, reached exactly",
      {.low = 0, .high = 1, .high_open = true});
    f("start_epoch", start_epoch, "epochs trained before the first step", {.low = 0, .high = most_epochs});
    f.required()("end_epoch", end_epoch, "epochs trained before the last step",
                 {.low = 0, .high = most_epochs});
    f("update_frequency", update_frequency,
      "epochs between steps; a last step at end_epoch is added where it does not divide",
      {.low = 1, .high = most_epochs});
    own_fields(f);
    f.rule(init_sparsity <= final_sparsity,
           fmt::format("init_sparsity {} is greater than final_sparsity {}", init_sparsity, final_sparsity));
    f.rule(start_epoch <= end_epoch,
           fmt::format("start_epoch {} comes after end_epoch {}", start_epoch, end_epoch));
  }
  virtual void own_fields(Fields&) {}
  virtual double exponent() const = 0;
  int last_epoch() const override { return end_epoch; }
  std::vector<ScheduleEvent> events() const override {
    std::vector<ScheduleEvent> events;
    for (int epoch = start_epoch;; epoch = std::min(epoch + update_frequency, end_epoch)) {
      const bool last = epoch >= end_epoch;
      const double t = last ? 1 : static_cast<double>(epoch - start_epoch) / (end_epoch - start_epoch);
      const double s = last ? final_sparsity
                            : final_sparsity + (init_sparsity - final_sparsity) * std::pow(1 - t, exponent());
      if (s > 0) events.push_back({epoch, s});
      if (last) return events;
    }
  }
};

struct Cubic final : Polynomial {
  double degree = 3;
  void own_fields(Fields& f) override {
    f("degree", degree, "exponent; 3 in Zhu & Gupta", {.low = 0, .high = 100, .low_open = true});
  }
  double exponent() const override { return degree; }
};
struct Linear final : Polynomial {
  double exponent() const override { return 1; }
};

struct Steps final : ScheduleSettings {
  std::vector<int> epochs;
  std::vector<double> sparsities;
  void fields(Fields& f) override {
    f.required()("epochs", epochs, "epochs of the steps, increasing", {.low = 0, .high = most_epochs});
    f.required()("sparsities", sparsities, "sparsity after each step, increasing",
                 {.low = 0, .high = 1, .high_open = true});
    f.rule(epochs.size() == sparsities.size() && !epochs.empty(),
           fmt::format("epochs has {} entries, sparsities {}; they need the same number, at least one",
                       epochs.size(), sparsities.size()));
    f.rule(
        std::is_sorted(epochs.begin(), epochs.end()) && std::is_sorted(sparsities.begin(), sparsities.end()),
        "epochs and sparsities must increase");
  }
  int last_epoch() const override { return epochs.back(); }
  std::vector<ScheduleEvent> events() const override {
    std::vector<ScheduleEvent> events;
    for (std::size_t i = 0; i < epochs.size(); ++i) events.push_back({epochs[i], sparsities[i]});
    return events;
  }
};

const bool schedule_known =
    Registry<ScheduleSettings>::add<OneShot>("one_shot", "to the target in one step") &&
    Registry<ScheduleSettings>::add<Cubic>("cubic",
                                           "fast at first, slow near the target (Zhu & Gupta 2017)") &&
    Registry<ScheduleSettings>::add<Linear>("linear", "the same amount at every step") &&
    Registry<ScheduleSettings>::add<Steps>("steps", "a list of epochs and sparsities");

}  // namespace

std::vector<double> sub_levels(double from, double to, int count, SubLevels kind) {
  std::vector<double> levels;
  for (int i = 1; i < count; ++i) {
    const double t = static_cast<double>(i) / count;
    levels.push_back(kind == SubLevels::polynomial ? to + (from - to) * (1 - t) * (1 - t)
                                                   : 1 - (1 - from) * std::pow((1 - to) / (1 - from), t));
  }
  levels.push_back(to);
  return levels;
}

}  // namespace espalier
