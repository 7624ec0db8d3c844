// image_examples.h: examples that are images of a data set.
#pragma once

#include "pruning/rows/example_source.h"

namespace espalier {

/// Chosen images of a data set, un-augmented. All that is referred to must outlive the source.
class ImageExamples final : public ExampleSource {
 public:
  ImageExamples(const ImageSet& set, const Preprocessing& preprocessing, std::vector<Index> chosen)
      : set_(set), preprocessing_(preprocessing), chosen_(std::move(chosen)) {}
  Index size() const override { return static_cast<Index>(chosen_.size()); }
  void load(Range range, Batch& batch) const override {
    load_examples(set_, preprocessing_, std::span(chosen_).subspan(range.begin, range.size()), batch);
  }

 private:
  const ImageSet& set_;
  const Preprocessing& preprocessing_;
  std::vector<Index> chosen_;
};

}  // namespace espalier
