#include "tools/run/class_results.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/io/progress.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

std::string class_percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

/// Other classes that images of `label` are taken for, the most frequent first; at most `most`.
std::vector<Index> taken_for(const ClassEvaluation& e, Index label, std::size_t most) {
  std::vector<Index> others;
  for (Index k = 0; k < e.classes; ++k)
    if (k != label && e.confused(label, k) > 0) others.push_back(k);
  std::stable_sort(others.begin(), others.end(),
                   [&](Index a, Index b) { return e.confused(label, a) > e.confused(label, b); });
  others.resize(std::min(others.size(), most));
  return others;
}

std::string class_table(const ClassEvaluation& e, const std::vector<std::string>& names) {
  Table table(std::vector<std::string>{"", "class", "images", "accuracy", "most often taken for"},
              {Align::right, Align::left, Align::right, Align::right, Align::left});
  for (Index k = 0; k < e.classes; ++k) {
    std::vector<std::string> others;
    for (const Index other : taken_for(e, k, 3))
      others.push_back(fmt::format("{} ({})", names[other], format_count(e.confused(k, other))));
    const bool none = e.images_of(k) == 0;
    table.add({std::to_string(k), names[k], format_count(e.images_of(k)),
               none ? "-" : class_percent(e.accuracy_of(k)), fmt::format("{}", fmt::join(others, ", "))});
  }
  return table.str();
}

std::string confusion_table(const ClassEvaluation& e) {
  std::vector<std::string> head{"label"};
  for (Index k = 0; k < e.classes; ++k) head.push_back(std::to_string(k));
  Table table(head);
  for (Index label = 0; label < e.classes; ++label) {
    std::vector<std::string> row{std::to_string(label)};
    for (Index k = 0; k < e.classes; ++k) {
      const Index n = e.confused(label, k);
      row.push_back(n ? format_count(n) : ".");
    }
    table.add(row);
  }
  return table.str();
}

}  // namespace

Json classes_json(const ClassEvaluation& e, const std::vector<std::string>& names) {
  Json json{{"images", e.images}, {"loss", e.all.loss}, {"accuracy", e.all.accuracy}};
  if (e.classes > 5) json["top5"] = e.top5;
  json["calibration_error"] = e.calibration_error;
  json["calibration"] = Json::array();
  for (const ConfidenceBin& bin : e.bins)
    json["calibration"].push_back(
        {{"images", bin.images}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  json["classes"] = json["confusion"] = Json::array();
  for (Index k = 0; k < e.classes; ++k) {
    const Index n = e.images_of(k);
    json["classes"].push_back(
        {{"name", names[k]}, {"images", n}, {"accuracy", n ? Json(e.accuracy_of(k)) : Json()}});
    const auto row = e.confusion.begin() + static_cast<std::ptrdiff_t>(k * e.classes);
    json["confusion"].push_back(std::vector<Index>(row, row + static_cast<std::ptrdiff_t>(e.classes)));
  }
  return json;
}

std::string classes_text(const ClassEvaluation& e, const std::vector<std::string>& names) {
  constexpr Index most_of_matrix = 20;
  std::string text;
  if (e.classes > 5) text += fmt::format("top-5 accuracy {}   ", class_percent(e.top5));
  text += fmt::format("expected calibration error {} ({} bins of confidence)\n\n",
                      class_percent(e.calibration_error), ClassEvaluation::bin_count);
  text += class_table(e, names);
  if (e.classes <= most_of_matrix)
    text += fmt::format("\nimages by label (rows) and predicted class (columns)\n{}", confusion_table(e));
  else
    text += fmt::format("\n(the confusion matrix of {} classes is in --json)\n", e.classes);
  return text;
}

}  // namespace espalier
