// network_rows.h: everything one pruning step asks of the network, gathered in one pass over the examples and
// shared by every criterion, inverse, dampening and sparsity: the rows of G (dense, factored or in a file),
// their mean g, and Kronecker factors where K-FAC wants them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pruning/rows/fill_rows.h"
#include "pruning/rows/fisher_kind.h"
#include "pruning/rows/layer_factors.h"

namespace espalier {

struct RowOptions {
  /// N; the number of examples must be a multiple of it (equal to it for exact, which makes more).
  Index rows = 0;
  FisherKind fisher = FisherKind::empirical;
  bool kronecker = false;           ///< gather K-FAC's factors too
  bool factored = true;             ///< linear layers as pairs (delta, a), where rows are single examples
  std::string scratch_folder = {};  ///< dense rows go into a file there; empty: memory
  std::uint64_t seed = 0;           ///< of labels drawn
};

class NetworkRows final : public GradientRows {
 public:
  /// Runs the model on `examples` (evaluation mode, un-augmented).
  NetworkRows(const Model& model, std::vector<ParameterId> layers, const Examples& examples,
              const RowOptions& options);

  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  void load(Range columns, double* out) const override { load_as(columns, out); }
  bool single() const override { return !centred_; }
  void load(Range columns, float* out) const override { load_as(columns, out); }
  std::vector<Range> gram_ranges() const override;
  void add_gram(Range columns, double* gram) const override;
  std::span<const KroneckerFactor> kronecker() const override { return kronecker_; }

  /// Mean gradient of the data's loss, also where the rows are sampled or centred.
  std::span<const double> mean() const { return mean_; }
  /// Mean loss of the examples.
  double loss() const { return loss_; }

 private:
  template <class T>
  void load_as(Range columns, T* out) const;
  void gather_exact(const Model& model, const Examples& examples, const RowOptions& options);
  template <class T>
  void load_layer(std::size_t layer, Range columns, T* out, Index stride) const;
  std::vector<ParameterId> layers_;
  Index rows_, cols_ = 0;
  struct Part {
    Range columns;      ///< among all prunable weights
    Index dense = 0;    ///< first column in dense_
    int factored = -1;  ///< or index in factored_
  };
  std::vector<Part> parts_;
  std::unique_ptr<StoredRows> dense_, exact_;
  std::vector<FactoredLayer> factored_;
  std::vector<KroneckerFactor> kronecker_;
  std::vector<double> mean_;
  bool centred_ = false;
  double loss_ = 0;
};

}  // namespace espalier
