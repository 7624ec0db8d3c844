// rows.h: all kinds of rows of metrics.jsonl and metrics.csv: those of the program's verbs, here, beside those
// of training (framework/train/epoch_row.h) and pruning (pruning/step/rows.h); for people, for programs and
// for the report's page.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "framework/io/columns.h"
#include "framework/train/epoch_row.h"
#include "pruning/step/rows.h"

namespace espalier {

/// Of `train` and `prune`; what is optional is of `prune`.
struct DoneRow {
  static constexpr std::string_view event = "done", about = "At the end of `train` and `prune`.";
  double test_loss = 0, test_accuracy = 0;
  std::int64_t test_images = 0, multiply_adds = 0;
  std::optional<std::int64_t> weights, multiply_adds_kept, unmasked_zeros;
  std::optional<double> sparsity, sparsity_of_all_parameters;
  Named<double> sparsities;  ///< by layer
  Named<std::int64_t> layer_weights;
  // With train.keep_best or train.patience.
  std::optional<std::int64_t> best_epoch, epochs_trained;
  std::optional<double> best_test_accuracy;
  // With "baseline": "equal_budget": the network trained as long without pruning, on the same test images.
  std::optional<std::int64_t> twin_epochs, only_twin_right, only_pruned_right;
  std::optional<double> twin_test_accuracy, twin_test_loss, price_of_sparsity, price_error;
  std::vector<Column> columns();
};

/// Of `sweep`: the network that every cell begins with.
struct DenseRow {
  static constexpr std::string_view event = "dense",
                                    about =
                                        "At the beginning of `sweep`: the network that every cell prunes.";
  double sparsity = 0, test_accuracy = 0, test_loss = 0, train_loss = 0;
  std::int64_t test_images = 0;
  std::vector<Column> columns();
};

/// Of `sweep`: one combination at one sparsity. What does not enter a criterion is missing, as are the results
/// of a cell that failed.
struct CellRow {
  static constexpr std::string_view event = "cell",
                                    about = "For each cell of `sweep`: one combination at one sparsity.";
  std::string criterion = {};
  std::optional<std::string> inverse = {}, update = {};
  std::optional<std::int64_t> fisher_block_size = {};
  std::optional<double> damp = {};
  std::string scope = {};
  double target = 0;
  std::optional<double> sparsity = {}, test_accuracy = {}, test_loss = {}, predicted_loss_change = {},
                        measured_loss_change = {}, seconds = {};
  std::optional<std::string> failed = {};
  std::vector<Column> columns();
};

/// Of `curvature`: the weights that it looks at.
struct StartRow {
  static constexpr std::string_view event = "start", about = "At the beginning of `curvature`.";
  std::string checkpoint;
  std::vector<Column> columns();
};

/// Of `curvature`: one layer over one number of examples. MATRIX is hessian, true_fisher, monte_carlo_fisher or
/// empirical_fisher; "the first" is the first of curvature.matrices.
struct CurvatureRow {
  static constexpr std::string_view event = "curvature",
                                    about = "For each layer and number of examples of `curvature`.";
  std::string layer;
  std::int64_t weights = 0, examples = 0;
  bool dense = false;
  Named<double> trace, norm, mass, cosine, norm_ratio, diagonal_cosine, rank_correlation, eigenvalue,
      eigenvalues_settled;
  std::optional<double> hessian_error;
  double seconds = 0;
  std::vector<Column> columns();
};

/// Of `reproduce`: a row of the results is this and the columns of the run's own row (done, cell, curvature, or
/// of a part with "every_level" prune).
struct ResultRow {
  static constexpr std::string_view
      event = "",
      about = "For each result of `reproduce`, followed by the columns of the run's own row.";
  std::string run = {}, part = {}, method = {}, value = {};
  std::int64_t seed = 0;
  std::string config_sha256 = {};
  std::optional<std::int64_t> steps = {}, test_images = {};
  std::optional<double> predicted_loss_change = {}, measured_loss_change = {}, seconds = {};
  std::optional<std::string> failed = {};
  std::vector<Column> columns();
};

/// Every kind, in the order in which a run writes them.
std::vector<RowKind> all_row_kinds();
/// The columns of every kind as Markdown tables: `espalier columns`.
std::string columns_markdown();
/// {EVENT: {"about", "columns": {NAME: {"type", "unit", "about", "optional", "many"}}}}, which the report's page is
/// given; results of `reproduce` are under "result".
nlohmann::ordered_json columns_json();
/// JSON Schema (draft 7) of one line of metrics.jsonl: `espalier schema metrics`.
std::string metrics_schema();

}  // namespace espalier
