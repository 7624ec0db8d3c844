#include "pruning/step/prune_config.h"

namespace espalier {
namespace {

constexpr double most_sub_steps = 10'000;  // of a step, and stages of a sub-step: hundreds are already many

}  // namespace

PruneConfig::PruneConfig() {
  criterion.choose("woodfisher");
  inverse.choose("block");
  schedule.choose("one_shot");
  group.choose("unstructured");
  search.choose("top_k");
}

bool PruneConfig::needs_gradients() const {
  return criterion->needs_gradients() || update == UpdateMode::joint || search->searches();
}

bool PruneConfig::needs_inverse() const {
  return criterion->needs_inverse() || (update == UpdateMode::joint && !inverse->fits_subsets());
}

void PruneConfig::fields(Fields& f) {
  f.variant("criterion", criterion, "what the removal of a weight costs");
  f.variant("inverse", inverse, "how the inverse of the Fisher is taken");
  f.one_of("fisher", fisher,
           {{"empirical", FisherKind::empirical},
            {"centred", FisherKind::centred},
            {"sampled", FisherKind::sampled},
            {"exact", FisherKind::exact}},
           "empirical: the data's labels; centred: around the mean gradient; sampled: labels drawn from "
           "the model, an estimate of the true Fisher; exact: the true Fisher over all classes, which is "
           "Gauss-Newton and each layer's Hessian block (classes - 1 rows for each of num_grads examples)");
  f.automatic("damp", damp,
              "dampening lambda of the Fisher for saliencies and updates (the paper's fisher_damp); "
              "auto: every step tries a ladder of them on held-out examples and keeps the best",
              {.low = 0, .high = 1e6, .low_open = true});
  f("step_damp", step_damp,
    "dampening of WoodTaylor's gradient step -F^-1 g, where lambda "
    "is an inverse step length: small values ruin a converged network",
    {.low = 0, .high = 1e6, .low_open = true});
  f.one_of("step_search", step_search,
           {{"none", StepSearch::none}, {"model", StepSearch::model}, {"held_out", StepSearch::held_out}},
           "length of the gradient step: as it comes, the best under the quadratic "
           "model over all weights (blocks each answer for the whole gradient, so "
           "their sum goes too far), or the best part of that on held-out examples");
  f.one_of(
      "update", update,
      {{"none", UpdateMode::none}, {"simultaneous", UpdateMode::simultaneous}, {"joint", UpdateMode::joint}},
      "how survivors move: simultaneous: the paper's sum of single-weight updates (criteria "
      "without an inverse move nothing); joint: exact for the whole set, with any criterion");
  f.variant("group", group, "weights that leave together");
  f.variant("search", search, "looks for a better set than the ranking's");
  f.variant("schedule", schedule, "sparsity over time");
  f.one_of("scope", selection.scope, {{"global", Ranking::global}, {"layerwise", Ranking::layerwise}},
           "one ranking over all layers, or every layer to the target");
  f.one_of("mask_rule", selection.rule, {{"exact", MaskRule::exact}, {"threshold", MaskRule::threshold}},
           "exact: round(sparsity n) weights, ties by index; "
           "threshold: the published code's rule, which keeps one fewer");
  f("min_kept_per_layer", selection.min_kept_per_layer,
    "a step that would leave a layer fewer weights is refused", {.low = 0});
  f("include", include,
    "layers to prune, by name pattern with * and ?; empty: every convolution and linear layer");
  f("exclude", exclude, "layers not to prune, by name pattern");
  f("num_grads", num_grads, "rows N of the gradient matrix (the paper's fisher_subsample_size)", {.low = 1});
  f("grad_batch_size", grad_batch_size, "examples averaged in each row (the paper's fisher_mini_bsz)",
    {.low = 1});
  f.automatic("num_recomputations", num_recomputations,
              "sub-steps of each pruning step; gradients and inverse are taken anew for each; auto: a step "
              "is halved as "
              "long as the loss rises by more than trust_factor times the prediction",
              {.low = 1, .high = most_sub_steps});
  f("trust_factor", trust_factor,
    "a step whose measured and predicted change of the loss are this many times apart is reported as not "
    "trusted; one whose loss rises so much more than predicted is split where num_recomputations is auto",
    {.low = 1, .low_open = true});
  f("num_stages", num_stages,
    "stages of each sub-step on the same gradients: the inverse is rebuilt on the weights that remain, no "
    "new "
    "examples are read",
    {.low = 1, .high = most_sub_steps});
  f("flops_exponent", flops_exponent,
    "saliencies are divided by (multiply-adds per weight of the "
    "layer)^this, so that layers that cost more lose more",
    {.low = -8, .high = 8});
  f("flops_target", flops_target,
    "share of the prunable layers' multiply-adds to remove at "
    "the final sparsity; the exponent is searched for; 0: off",
    {.low = 0, .high = 1, .high_open = true});
  f("held_out_examples", held_out_examples,
    "training examples, other than those of the gradients, on which every step is measured too; damp auto and "
    "step_search held_out choose by them",
    {.low = 1});
  f.one_of("gradient_storage", gradients_in_file, {{"memory", false}, {"file", true}},
           "where the gradient matrix lies; file: in an unnamed file "
           "in the run's folder, for more rows than memory holds");
  f.one_of("recomputation_levels", recomputation_levels,
           {{"polynomial", SubLevels::polynomial}, {"geometric", SubLevels::geometric}},
           "how sparsity grows over the sub-steps");
  f.path("index_file", index_file,
    "JSON list (or {\"indices\": [...]}) of training examples for the gradients; empty: drawn by seed");
  f("fresh_examples", fresh_examples, "draw other examples for every step and sub-step");
  f("recalibrate_batch_norm", recalibrate_batch_norm,
    "re-estimate batch-norm statistics after each step, on images changed as data.augment says");
  f("recalibration_examples", recalibration_examples, "training images for that; 0: all", {.low = 0});
  f.rule(update != UpdateMode::joint || inverse->off_diagonal(),
         fmt::format("update \"joint\" needs an inverse with off-diagonal entries; inverse is \"{}\"",
                     inverse.type));
  f.rule(group->single() || !search->searches(),
         "a search exchanges single weights; group must be \"unstructured\"");
  f.rule(group->single() || selection.rule == MaskRule::exact,
         "mask_rule \"threshold\" is for single weights; group must be \"unstructured\"");
  f.rule(!search->searches() || inverse->fits_subsets(),
         fmt::format(
             "search \"{}\" takes joint updates of many sets, and inverse \"{}\" can't be built on subsets",
             search.type, inverse.type));
  f.rule(fisher != FisherKind::exact || (grad_batch_size == 1 && !gradients_in_file),
         "fisher \"exact\" has rows of single examples, in memory: "
         "grad_batch_size must be 1 and gradient_storage memory");
  f.rule(flops_target == 0 || flops_exponent == 0, "give flops_exponent or flops_target, not both");
  f.rule(!criterion->needs_small_blocks() || inverse->small_blocks(),
         fmt::format("criterion \"{}\" eliminates within blocks, and inverse \"{}\" has none that are small; "
                     "inverse must be \"block\", \"layer\" or \"dense\"",
                     criterion.type, inverse.type));
}

}  // namespace espalier
