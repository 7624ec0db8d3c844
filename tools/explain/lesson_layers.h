// lesson_layers.h: a layer's part of tour.json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "pruning/explain/lesson_data.h"

namespace espalier {

/// Six significant digits, so that the file stays small; null if it is not finite.
nlohmann::ordered_json rounded(double v);
nlohmann::ordered_json rounded(std::span<const double> values);

/// The block of the best filter with its weights, gradients and matrices over each number of examples, and
/// the picture of several filters over the most examples as bytes. `removed`: by the run, of all prunable
/// weights; empty: unknown.
nlohmann::ordered_json layer_json(const WeightStudy& study, const LayerView& layer,
                                  const LessonWeights& chosen, const std::vector<LessonMatrices>& by_examples,
                                  const std::vector<bool>& removed);

}  // namespace espalier
