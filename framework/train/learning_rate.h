// learning_rate.h: the learning rate as a function of time alone, so that resuming needs no state.
#pragma once

#include "framework/config/fields.h"

namespace espalier {

struct LearningRateSettings {
  double rate = 0.05, warmup_epochs = 0;
  virtual ~LearningRateSettings() = default;
  void fields(Fields& f) {
    f("rate", rate, "learning rate at the start (after the warm-up)", {.low = 0, .low_open = true});
    f("warmup_epochs", warmup_epochs, "epochs over which the rate rises linearly from 0", {.low = 0});
    own_fields(f);
  }
  /// `epoch` counts from 0 and may be fractional (epoch + step / steps); `epochs` is the length of the run.
  double at(double epoch, double epochs) const {
    const double warm = epoch < warmup_epochs ? epoch / warmup_epochs : 1;
    return rate * warm * factor(epoch, epochs);
  }
  /// What is allowed but hardly meant in a run of `epochs`, in sentences.
  std::vector<std::string> oddities(int epochs) const {
    std::vector<std::string> found;
    if (warmup_epochs >= epochs)
      found.push_back(
          fmt::format("warmup_epochs is {:g} and the run has {} epochs: the rate {:g} is never reached",
                      warmup_epochs, epochs, rate));
    own_oddities(epochs, found);
    return found;
  }

 protected:
  virtual void own_oddities(int, std::vector<std::string>&) const {}
  virtual void own_fields(Fields&) {}
  virtual double factor(double epoch, double epochs) const = 0;
};

}  // namespace espalier
