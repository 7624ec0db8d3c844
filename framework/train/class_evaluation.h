// class_evaluation.h: what a network makes of a data set, class by class: which are taken for which, how often the
// label is among the best five, and whether its probabilities mean what they say.
#pragma once

#include <array>
#include <vector>

#include "framework/train/evaluate.h"

namespace espalier {

/// Images by the probability of the predicted class (the confidence), in bins of equal width.
struct ConfidenceBin {
  Index images = 0;
  double confidence = 0, accuracy = 0;  ///< means; 0 without images
};

struct ClassEvaluation {
  Evaluation all;
  Index images = 0, classes = 0;
  double top5 = 0;               ///< share of images whose label is among the five largest outputs
  std::vector<Index> confusion;  ///< [label, predicted]: images
  double calibration_error = 0;  ///< see below

  Index confused(Index label, Index predicted) const { return confusion[label * classes + predicted]; }
  Index images_of(Index label) const;
  /// Share of the images of a class that are predicted as such; 0 if there are none.
  double accuracy_of(Index label) const;

  static constexpr int bin_count = 15;
  std::array<ConfidenceBin, bin_count> bins{};
};

/// Over all of `set`. The calibration error is the expected one of Guo et al. 2017: the mean over images of
/// |accuracy - confidence| of their bin. Loss and accuracy are those of evaluate() to the last bit.
ClassEvaluation evaluate_classes(const Engine& engine, const ImageSet& set,
                                 const Preprocessing& preprocessing);

}  // namespace espalier
