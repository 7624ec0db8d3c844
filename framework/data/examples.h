// examples.h: chosen examples, as the network sees them: what a mean loss, gradients and curvature are taken over.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "framework/data/preprocess.h"

namespace espalier {

struct Examples {
  virtual ~Examples() = default;
  virtual Index size() const = 0;
  /// Fills `batch` with the examples `range`, un-augmented; batch.examples are their numbers in the data set.
  virtual void load(Range range, Batch& batch) const = 0;
};

/// The images `indices` of a data set. Set and preprocessing must outlive them.
class ImageExamples final : public Examples {
 public:
  ImageExamples(const ImageSet& set, const Preprocessing& preprocessing, std::vector<Index> indices)
      : set_(&set), preprocessing_(&preprocessing), indices_(std::move(indices)) {}
  Index size() const override { return static_cast<Index>(indices_.size()); }
  void load(Range range, Batch& batch) const override {
    load_examples(*set_, *preprocessing_, std::span(indices_).subspan(range.begin, range.size()), batch);
  }
  const std::vector<Index>& indices() const { return indices_; }
  /// The first `count`, or all if there are fewer.
  ImageExamples first(Index count) const {
    return {*set_, *preprocessing_, {indices_.begin(), indices_.begin() + std::min(count, size())}};
  }

 private:
  const ImageSet* set_;
  const Preprocessing* preprocessing_;
  std::vector<Index> indices_;
};

/// The examples `part` of others, which must outlive them.
class PartOfExamples final : public Examples {
 public:
  PartOfExamples(const Examples& all, Range part) : all_(all), part_(part) {}
  Index size() const override { return part_.size(); }
  void load(Range range, Batch& batch) const override {
    all_.load({part_.begin + range.begin, part_.begin + range.end}, batch);
  }

 private:
  const Examples& all_;
  Range part_;
};

}  // namespace espalier
