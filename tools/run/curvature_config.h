// curvature_config.h: the "curvature" section of a run config: which matrices `espalier curvature` looks at.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "pruning/rows/fisher_kind.h"

namespace espalier {

struct CurvatureConfig {
  std::vector<std::string> layers;
  std::vector<int> examples{100, 1000};
  std::vector<std::string> matrices{"hessian", "empirical_fisher", "true_fisher"};
  int monte_carlo_labels = 1;
  std::vector<int> block_sizes{1, 10, 50, 100, 500};
  int eigenvalues = 10, lanczos_steps = 200, max_dense = 4096;
  double smoothing = 0;
  bool save_blocks = true;
  std::string index_file;

  /// The kinds named in `matrices`, which must be valid.
  std::vector<CurvatureKind> kinds() const {
    std::vector<CurvatureKind> found;
    for (const std::string& name : matrices)
      for (const CurvatureKind kind : all_kinds)
        if (name == name_of(kind)) found.push_back(kind);
    return found;
  }

  void fields(Fields& f) {
    f("layers", layers,
      "layers by name pattern, each looked at by itself; \"a+b\": the joint block of two layers; empty: "
      "every "
      "convolution and linear layer");
    f("examples", examples,
      "numbers of training examples the matrices are means over; a smaller set is part "
      "of a larger one",
      {.low = 1});
    f("matrices", matrices,
      "of hessian, empirical_fisher, true_fisher (exact over classes), monte_carlo_fisher; the first is what "
      "the others are compared with");
    f("monte_carlo_labels", monte_carlo_labels, "labels drawn for each example of monte_carlo_fisher",
      {.low = 1});
    f("block_sizes", block_sizes, "widths of diagonal blocks whose share of the squared norm is reported",
      {.low = 1});
    f("eigenvalues", eigenvalues, "largest eigenvalues of each matrix; 0: none", {.low = 0, .high = 1000});
    f("lanczos_steps", lanczos_steps, "products that they may take", {.low = 1});
    f("max_dense", max_dense,
      "weights up to which blocks are formed (8 bytes d^2 each); beyond: diagonal, eigenvalues and products",
      {.low = 1});
    f("smoothing", smoothing, "sigma, in weights, of the Gaussian that heat maps are smoothed with; 0: none",
      {.low = 0, .high = 1000});
    f("save_blocks", save_blocks, "write the matrices (.npz)");
    f.path("index_file", index_file,
      "JSON list (or {\"indices\": [...]}) of training examples, used in that order; empty: drawn by seed");
    const auto known = [](const std::string& name) {
      return std::any_of(std::begin(all_kinds), std::end(all_kinds),
                         [&](CurvatureKind kind) { return name == name_of(kind); });
    };
    f.rule(!matrices.empty() && std::all_of(matrices.begin(), matrices.end(), known),
           "\"matrices\" must name at least one of hessian, empirical_fisher, true_fisher, "
           "monte_carlo_fisher, and nothing else");
    f.rule(!examples.empty(), "\"examples\" must name at least one number of examples");
  }

 private:
  static constexpr CurvatureKind all_kinds[] = {Hessian{}, FisherKind::empirical, FisherKind::exact,
                                                FisherKind::sampled};
};

}  // namespace espalier
