#include "pruning/prune_config.h"

namespace espalier {

PruneConfig::PruneConfig() {
  criterion.choose("woodfisher");
  inverse.choose("block");
  schedule.choose("one_shot");
}

bool PruneConfig::needs_gradients() const {
  return criterion->needs_gradients() || update == UpdateMode::joint;
}

void PruneConfig::fields(Fields& f) {
  f.variant("criterion", criterion, "what the removal of a weight costs");
  f.variant("inverse", inverse, "how the inverse of the Fisher is taken");
  f("damp", damp, "dampening lambda of the Fisher for scores and updates (the paper's fisher_damp)",
    {.low = 0, .high = 1e6, .low_open = true});
  f("step_damp", step_damp,
    "dampening of WoodTaylor's gradient step -F^-1 g, where lambda is an inverse step length: small values "
    "ruin a converged network",
    {.low = 0, .high = 1e6, .low_open = true});
  f("step_search", step_search,
    "shorten the gradient step to the best length under the quadratic model over all weights: blocks each "
    "answer for the whole "
    "gradient, so their sum goes too far");
  f("step_limit", step_limit,
    "largest norm of the gradient step, as a share of the norm of the weights; 0: no limit", {.low = 0});
  f.choice(
      "update", update,
      {{"none", UpdateMode::none}, {"simultaneous", UpdateMode::simultaneous}, {"joint", UpdateMode::joint}},
      "how survivors move: simultaneous: the paper's sum of single-weight updates (criteria without an "
      "inverse move nothing); "
      "joint: exact for the whole set, with any criterion");
  f.variant("schedule", schedule, "sparsity over time");
  f.choice("scope", selection.scope, {{"global", Ranking::global}, {"layerwise", Ranking::layerwise}},
           "one ranking over all layers, or every layer to the target");
  f.choice("mask_rule", selection.rule, {{"exact", MaskRule::exact}, {"threshold", MaskRule::threshold}},
           "exact: round(sparsity n) weights, ties by index; threshold: the published code's rule, which "
           "keeps one fewer");
  f("min_kept_per_layer", selection.min_kept_per_layer,
    "a step that would leave a layer fewer weights is refused", {.low = 0});
  f("include", include,
    "layers to prune, by name pattern with * and ?; empty: every convolution and linear layer");
  f("exclude", exclude, "layers not to prune, by name pattern");
  f("num_grads", num_grads, "rows N of the gradient matrix (the paper's fisher_subsample_size)", {.low = 1});
  f("grad_batch_size", grad_batch_size, "examples averaged in each row (the paper's fisher_mini_bsz)",
    {.low = 1});
  f("num_recomputations", num_recomputations,
    "sub-steps of each pruning step; gradients and inverse are taken anew for each", {.low = 1});
  f.choice("recomputation_levels", recomputation_levels,
           {{"polynomial", SubLevels::polynomial}, {"geometric", SubLevels::geometric}},
           "how sparsity grows over the sub-steps");
  f("index_file", index_file,
    "JSON list (or {\"indices\": [...]}) of training examples for the gradients; empty: drawn by seed");
  f("fresh_examples", fresh_examples, "draw other examples for every step and sub-step");
  f("recalibrate_batch_norm", recalibrate_batch_norm, "re-estimate batch-norm statistics after each step");
  f("recalibration_examples", recalibration_examples, "training images for that; 0: all", {.low = 0});
  f.rule(update != UpdateMode::joint || inverse.type != "diagonal",
         "update \"joint\" needs an inverse with off-diagonal entries; inverse is \"diagonal\"");
}

}  // namespace espalier
