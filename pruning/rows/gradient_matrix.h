// gradient_matrix.h: G, filled from a network: row m is the gradient of one example's loss, or the mean over
// a mini-batch of grad_batch_size examples (the paper's fisher_mini_bsz), with respect to the prunable
// weights. Rows are g_n, not g_n/N. Gradients are taken in evaluation mode on un-augmented images; pruned
// weights have zero columns.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/autograd/backward.h"
#include "framework/data/loader.h"
#include "framework/io/scratch_memory.h"
#include "framework/nn/model.h"
#include "pruning/rows/gradient_rows.h"

namespace espalier {

/// Sees each layer's reverse pass while the rows are filled, e.g. to keep its inputs and output gradients.
/// `first` is the number of the pass's first example.
struct LayerTap {
  virtual ~LayerTap() = default;
  virtual bool wants(ParameterId layer) const = 0;
  /// Passes must come one after another, in order of the examples; else several threads may call accept() at
  /// once, each with its own examples.
  virtual bool in_order() const { return false; }
  virtual void accept(ParameterId layer, Index first, const Partial& partial) = 0;
};
/// The labels whose loss is differentiated: the data's (empirical Fisher), or drawn from the model's own
/// probabilities (an unbiased sample of the true Fisher; mathematics.md section 2).
enum class FisherLabels { data, model };
struct FillOptions {
  FisherLabels labels = FisherLabels::data;
  std::uint64_t seed = 0;  ///< of the labels drawn
  LayerTap* tap = nullptr;
};

class GradientMatrix final : public GradientRows {
 public:
  /// For the weights of `layers`, in that order. Holds rows x d values of Real: in memory, or with
  /// `scratch_folder` in an unlinked file there that the system reads back in as needed (for more rows than
  /// memory holds).
  GradientMatrix(const ParameterStore& store, std::vector<ParameterId> layers, Index rows,
                 const std::string& scratch_folder = "");

  /// Fills all rows; examples.size() must be rows() * k, and row m is the mean over examples [m k, (m+1) k).
  /// Returns the mean loss of the examples.
  double fill(const Model& model, const ImageSet& set, const Preprocessing& preprocessing,
              std::span<const Index> examples, const FillOptions& options = {});

  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  void load(Range columns, double* out) const override;
  bool single() const override { return true; }
  void load(Range columns, float* out) const override {
    for (Index m = 0; m < rows_; ++m, out += columns.size())
      std::copy_n(values_.data() + m * cols_ + columns.begin, columns.size(), out);
  }
  std::span<Real> row(Index m) { return {values_.data() + m * cols_, static_cast<std::size_t>(cols_)}; }
  /// Mean of the rows: the mean gradient over all examples used.
  std::vector<double> mean() const;
  /// Columns of each layer, in the order given.
  const std::vector<Range>& layer_columns() const { return columns_; }

 private:
  const ParameterStore& store_;
  std::vector<ParameterId> layers_;
  std::vector<Range> columns_;
  Index rows_, cols_ = 0;
  Tensor buffer_;
  std::optional<ScratchMemory> scratch_;
  std::span<Real> values_;
};

/// Mean loss of the given examples, evaluation mode, un-augmented.
double mean_loss(const Model& model, const ImageSet& set, const Preprocessing& preprocessing,
                 std::span<const Index> examples);

}  // namespace espalier
