// examples.h: the examples that a curvature matrix is a mean over, read in micro-batches.
#pragma once

#include "framework/data/preprocess.h"

namespace espalier {

struct ExampleSource {
  virtual ~ExampleSource() = default;
  virtual Index size() const = 0;
  /// Fills batch.images and batch.labels with the examples `range`, as the network sees them in evaluation.
  virtual void load(Range range, Batch& batch) const = 0;
};

}  // namespace espalier
