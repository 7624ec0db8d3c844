// rates.h: which parameters training moves, and how fast: frozen ones, and learning rates of their own.
#pragma once

#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/nn/model.h"

namespace espalier {

struct TrainSettings;

/// One entry of train.learning_rates.
struct RateOf {
  std::string parameters;  ///< pattern
  double factor = 1;
  void fields(Fields& f) {
    f.required()("parameters", parameters, "pattern of names of parameters or layers, such as \"layer4.*\"");
    f.required()("factor", factor, "times the learning rate is theirs", {.low = 0, .low_open = true});
  }
};

/// Sets the factors of train.learning_rates, and 0 for what train.freeze names. A pattern fits a parameter
/// ("layer1.0.conv1.weight") by its name or by its layer's; of several factors the last counts. Says in a sentence what
/// is frozen. Throws Error(config) for a pattern that fits nothing, with "did you mean", and if nothing is left to train.
std::vector<std::string> apply_rates(const TrainSettings& settings, Model& model);

}  // namespace espalier
