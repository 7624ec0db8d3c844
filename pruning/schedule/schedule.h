// schedule.h: how sparsity grows with time. Events are at the beginning of an epoch, counted from 0.
#pragma once

#include <vector>

#include "framework/config/fields.h"

namespace espalier {

/// No run has more epochs; sums of two still fit an int.
constexpr int most_epochs = 1'000'000;

struct ScheduleEvent {
  int epoch = 0;
  double sparsity = 0;  ///< share of the prunable weights that are zero after the event
};

struct ScheduleSettings {
  virtual ~ScheduleSettings() = default;
  virtual void fields(Fields& f) = 0;
  /// Epoch of the last event, known without listing all.
  virtual int last_epoch() const = 0;
  /// In order of epoch; the last has the final sparsity exactly, also when the frequency does not divide the
  /// span.
  virtual std::vector<ScheduleEvent> events() const = 0;
};

/// How one pruning step is divided when the inverse is recomputed within it.
enum class SubLevels {
  polynomial,  ///< from + (to - from) (1 - (1 - i/n)^2): large sub-steps first
  geometric    ///< every sub-step removes the same share of what is left
};
/// `count` increasing sparsities, the last being `to` exactly.
std::vector<double> sub_levels(double from, double to, int count, SubLevels kind);

}  // namespace espalier
