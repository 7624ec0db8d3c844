// fill_rows.h: G from a network: row m is the gradient of one example's loss, or the
// mean over a mini-batch of grad_batch_size examples (the paper's fisher_mini_bsz),
// with respect to the prunable weights. Rows are g_n, not g_n/N. Gradients are taken
// in evaluation mode on un-augmented images; pruned weights have zero columns.
#pragma once

#include <optional>
#include <span>

#include "framework/autograd/backward.h"
#include "framework/data/examples.h"
#include "framework/nn/model.h"
#include "pruning/rows/stored_rows.h"

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

struct FillOptions {
  /// Labels are drawn from the model with this seed (an unbiased sample of the true Fisher; mathematics.md
  /// section 2); empty: those of the data (the empirical Fisher).
  std::optional<std::uint64_t> drawn_labels = {};
  LayerTap* tap = nullptr;
};

/// Fills all rows for the weights of `layers`, in that order. examples.size() must be rows.rows() * k, and
/// row m is the mean over examples [m k, (m+1) k). Returns the mean loss of the examples.
double fill_rows(const Model& model, std::span<const ParameterId> layers, const Examples& examples,
                 StoredRows& rows, const FillOptions& options = {});

}  // namespace espalier
