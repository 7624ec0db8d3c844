#include "framework/train/class_evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/infer/engine.h"
#include "framework/ops/ops.h"

namespace espalier {

Index ClassEvaluation::images_of(Index label) const {
  const auto row = confusion.begin() + static_cast<std::ptrdiff_t>(label * classes);
  return std::accumulate(row, row + static_cast<std::ptrdiff_t>(classes), Index{0});
}

double ClassEvaluation::accuracy_of(Index label) const {
  const Index n = images_of(label);
  return n == 0 ? 0 : static_cast<double>(confused(label, label)) / static_cast<double>(n);
}

namespace {

/// Outputs before that of the label; of equal ones the first counts.
Index rank_of(const Real* logits, Index classes, Index label) {
  Index rank = 0;
  for (Index k = 0; k < classes; ++k)
    rank += logits[k] > logits[label] || (logits[k] == logits[label] && k < label);
  return rank;
}

/// The softmax of the largest logit.
double confidence_of(const Real* logits, Index classes, Index best) {
  double sum = 0;
  for (Index k = 0; k < classes; ++k)
    sum += std::exp(static_cast<double>(logits[k]) - static_cast<double>(logits[best]));
  return 1 / sum;
}

}  // namespace

ClassEvaluation evaluate_classes(const Engine& engine, const ImageSet& set,
                                 const Preprocessing& preprocessing) {
  ClassEvaluation e;
  double in_top5 = 0;
  for_each_batch(engine, set, preprocessing, 0, [&](const Tensor& logits, const Batch& batch) {
    e.classes = logits.shape()[1];
    e.confusion.resize(e.classes * e.classes);
    e.all.loss += sum(cross_entropy(Var(logits), batch.labels).value());
    e.all.accuracy += static_cast<double>(count_correct(logits, batch.labels));
    for (Index n = 0; n < batch.size(); ++n) {
      const Real* row = logits.data() + n * e.classes;
      const Index label = batch.labels[n], best = std::max_element(row, row + e.classes) - row;
      ++e.confusion[label * e.classes + best];
      in_top5 += rank_of(row, e.classes, label) < 5;
      const double confidence = confidence_of(row, e.classes, best);
      auto& bin = e.bins[static_cast<std::size_t>(std::clamp(
          static_cast<int>(confidence * ClassEvaluation::bin_count), 0, ClassEvaluation::bin_count - 1))];
      ++bin.images;
      bin.confidence += confidence;
      bin.accuracy += best == label;
    }
  });
  e.images = set.size();
  const auto n = static_cast<double>(e.images);
  e.all = {e.all.loss / n, e.all.accuracy / n};
  e.top5 = in_top5 / n;
  for (ConfidenceBin& bin : e.bins) {
    if (bin.images == 0) continue;
    e.calibration_error += std::abs(bin.accuracy - bin.confidence) / n;
    bin.confidence /= static_cast<double>(bin.images);
    bin.accuracy /= static_cast<double>(bin.images);
  }
  return e;
}

}  // namespace espalier
