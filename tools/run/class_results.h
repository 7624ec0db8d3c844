// class_results.h: what a network makes of its test images, class by class: as text, and as JSON for programs and for
// the report (evaluation.json in the folder of a run).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "framework/train/class_evaluation.h"

namespace espalier {

/// {"images", "loss", "accuracy", "top5" (of more than 5 classes), "calibration_error", "calibration": [{"images",
/// "confidence", "accuracy"}, ...] (bins of the confidence from 0 to 1), "classes": [{"name", "images", "accuracy"}],
/// "confusion": [[images by predicted class], by label]}. Shares are 0 to 1; the accuracy of a class without images is
/// null.
nlohmann::ordered_json classes_json(const ClassEvaluation& evaluation, const std::vector<std::string>& names);

/// Top-5 and calibration; a table of the classes with what each is most often taken for; the confusion matrix of up
/// to 20 classes.
std::string classes_text(const ClassEvaluation& evaluation, const std::vector<std::string>& names);

}  // namespace espalier
