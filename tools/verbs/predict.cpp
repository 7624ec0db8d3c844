// predict.cpp: the verb `espalier predict` on pictures; predict_array.cpp has numbers.
#include "tools/verbs/predict.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/deploy/classifier.h"
#include "framework/io/file_kind.h"
#include "framework/io/table.h"
#include "tools/verbs/predict_array.h"
#include "tools/verbs/subject.h"

namespace espalier {
namespace {

Classifier classifier_of(const PredictOptions& o) {
  if (kind_of_file(o.network) == FileKind::onnx)
    fail(
        ExitCode::usage,
        "{}: an ONNX model does not say how a picture becomes its input, nor what its classes are; give numbers by "
        "--input FILE.npy, or make it the \"model\" of a config and name that",
        o.network);
  const Subject subject = find_subject(o.network, {}, {}, o.checkpoint);
  return Classifier(network_of(subject, nullptr), subject.checkpoint);
}

void predict_pictures(const PredictOptions& o) {
  const Classifier network = classifier_of(o);
  const std::vector<std::string>& classes = network.classes();
  const std::size_t shown = std::min(static_cast<std::size_t>(o.top), classes.size());
  Table table(std::vector<std::string>{"picture", "class", "probability"},
              {Align::left, Align::left, Align::right});
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& picture : o.pictures) {
    const std::vector<double> p = network(std::filesystem::path(picture));
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
    nlohmann::ordered_json best = nlohmann::ordered_json::array();
    for (std::size_t k = 0; k < shown; ++k) {
      table.add({k == 0 ? picture : "", classes[order[k]], fmt::format("{:.2f} %", 100 * p[order[k]])});
      best.push_back({{"class", classes[order[k]]}, {"probability", p[order[k]]}});
    }
    all.push_back({{"picture", picture}, {"classes", std::move(best)}});
  }
  if (o.json)
    fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{}", table.str());
}

}  // namespace

void predict_command(const PredictOptions& o) {
  set_threads(o.threads);
  if (!o.input.empty()) return predict_array(o);
  if (o.pictures.empty()) fail(ExitCode::usage, "predict needs a PICTURE, or numbers by --input FILE.npy");
  predict_pictures(o);
}

}  // namespace espalier
