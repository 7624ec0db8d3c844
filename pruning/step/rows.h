// rows.h: what the metrics say of a pruning step, and of the dampenings that were tried for it.
#pragma once

#include "framework/io/columns.h"

namespace espalier {

/// Loss changes are on the examples of the Fisher; predictions are missing where no quadratic model was made.
struct PruneRow {
  static constexpr std::string_view event = "prune", about = "After each pruning step.";
  std::int64_t epoch = 0, sub_step = 1;
  double sparsity_before = 0, sparsity = 0, target = 0;
  double train_loss_before = 0, train_loss_after = 0, measured_loss_change = 0;
  std::optional<double> held_out_loss_change = {};
  std::optional<double> damp = {}, predicted_loss_change = {}, predicted_with_damping = {};
  std::optional<bool> trusted = {};
  std::optional<double> flops_exponent = {};
  double test_accuracy_before = 0, test_loss = 0, test_accuracy = 0;
  double seconds = 0, gradient_seconds = 0, solve_seconds = 0;
  Named<double> sparsities = {}, predicted = {}, measured = {};  ///< by layer

  std::vector<Column> columns() {
    return {
        {"epoch", &epoch, "epochs", "trained before the step"},
        {"sub_step", &sub_step, "", "counted from 1 through all steps of that moment"},
        {"sparsity_before", &sparsity_before, "share", "of the prunable weights that were removed already"},
        {"sparsity", &sparsity, "share", "of the prunable weights that are removed now"},
        {"target", &target, "share", "level of the schedule that the step is on its way to"},
        {"train_loss_before", &train_loss_before, "nats",
         "mean loss on the examples of the Fisher, before the step"},
        {"train_loss_after", &train_loss_after, "nats",
         "the same after it, before batch norm is estimated anew"},
        {"measured_loss_change", &measured_loss_change, "nats", "the difference of the two"},
        {"held_out_loss_change", &held_out_loss_change, "nats",
         "of the same step on prune.held_out_examples training examples that the Fisher has not seen; missing where it "
         "has seen all"},
        {"damp", &damp, "", "dampening that the step was planned with"},
        {"predicted_loss_change", &predicted_loss_change, "nats",
         "that the quadratic model expected: g'd + 1/2 d'F d without dampening"},
        {"predicted_with_damping", &predicted_with_damping, "nats",
         "the same with dampening: what the choice of weights minimised"},
        {"trusted", &trusted, "",
         "whether measured and predicted change, with 0.01 nats of slack, are within prune.trust_factor of each other, "
         "whichever is larger"},
        {"flops_exponent", &flops_exponent, "",
         "that met prune.flops_target: saliencies are divided by multiply-adds to this power"},
        {"test_accuracy_before", &test_accuracy_before, "share",
         "of correct predictions on the test images, before the step"},
        {"test_loss", &test_loss, "nats", "mean cross-entropy on the test images, after the step"},
        {"test_accuracy", &test_accuracy, "share",
         "of correct predictions on the test images, after the step"},
        {"seconds", &seconds, "s", "of the whole step, evaluation included"},
        {"gradient_seconds", &gradient_seconds, "s", "of gradients and the evaluation before"},
        {"solve_seconds", &solve_seconds, "s", "of inverse, saliencies, choice and update"},
        {"sparsity.", &sparsities, "share", "of the layer's weights that are removed", "LAYER"},
        {"predicted.", &predicted, "nats", "loss change predicted of the layer's part of the move alone",
         "LAYER"},
        {"measured.", &measured, "nats", "loss change of that part alone, on 256 of the examples", "LAYER"},
    };
  }
};

struct NoticeRow {
  static constexpr std::string_view event = "notice",
                                    about = "Whenever a run has something to say that is worth keeping.";
  std::string text;

  std::vector<Column> columns() { return {{"text", &text, "", "what it said"}}; }
};

struct DampRow {
  static constexpr std::string_view event = "damp",
                                    about = "For each dampening that \"damp\": \"auto\" tried before a step.";
  std::int64_t epoch = 0, sub_step = 1;
  double sparsity = 0, damp = 0, predicted_loss_change = 0, measured_loss_change = 0;
  bool chosen = false;

  std::vector<Column> columns() {
    return {
        {"epoch", &epoch, "epochs", "trained before the step"},
        {"sub_step", &sub_step, "", "of the step, as in its row"},
        {"sparsity", &sparsity, "share", "of the prunable weights, before the step"},
        {"damp", &damp, "", "the dampening tried"},
        {"predicted_loss_change", &predicted_loss_change, "nats", "of the step planned with it"},
        {"measured_loss_change", &measured_loss_change, "nats",
         "of that step on examples that the Fisher has not seen"},
        {"chosen", &chosen, "", "whether the step was taken with it"},
    };
  }
};

}  // namespace espalier
