#include "tools/run/rows.h"

#include <nlohmann/json.hpp>

#include "framework/core/check.h"

namespace espalier {

using Json = nlohmann::ordered_json;

std::vector<Column> DoneRow::columns() {
  return {
      {"test_loss", &test_loss, "nats", "mean cross-entropy on the test images"},
      {"test_accuracy", &test_accuracy, "share", "of correct predictions on the test images"},
      {"test_images", &test_images, "images", "that these two are over"},
      {"multiply_adds", &multiply_adds, "", "of one image through the dense network"},
      {"weights", &weights, "", "that may be pruned, of all layers"},
      {"sparsity", &sparsity, "share", "of them that are removed"},
      {"unmasked_zeros", &unmasked_zeros, "", "weights that are zero although no mask says so"},
      {"sparsity_of_all_parameters", &sparsity_of_all_parameters, "share",
       "the same over all parameters of the network"},
      {"multiply_adds_kept", &multiply_adds_kept, "",
       "that are left if those of removed weights are not done"},
      {"sparsity.", &sparsities, "share", "of the layer's weights that are removed", "LAYER"},
      {"weights.", &layer_weights, "", "of the layer", "LAYER"},
      {"best_epoch", &best_epoch, "epochs",
       "trained when the test accuracy was best, of those at the final sparsity (train.keep_best: best.safetensors)"},
      {"best_test_accuracy", &best_test_accuracy, "share", "of correct predictions then"},
      {"epochs_trained", &epochs_trained, "epochs", "where train.patience ended the run early"},
      {"twin_epochs", &twin_epochs, "epochs",
       "that the dense twin was trained (\"baseline\": \"equal_budget\"): as many, without pruning"},
      {"twin_test_accuracy", &twin_test_accuracy, "share", "of correct predictions of the twin on the test images"},
      {"twin_test_loss", &twin_test_loss, "nats", "mean cross-entropy of the twin on them"},
      {"only_twin_right", &only_twin_right, "images", "of the test set that the twin has right and this network wrong"},
      {"only_pruned_right", &only_pruned_right, "images", "that this network has right and the twin wrong"},
      {"price_of_sparsity", &price_of_sparsity, "share", "test accuracy of the twin less that of this network"},
      {"price_error", &price_error, "share",
       "standard error of that difference over the draw of the test images, which both were tested on"},
  };
}

std::vector<Column> DenseRow::columns() {
  return {
      {"sparsity", &sparsity, "share", "of the weights that may be pruned, by masks of the checkpoint"},
      {"test_accuracy", &test_accuracy, "share", "of correct predictions on the test images"},
      {"test_loss", &test_loss, "nats", "mean cross-entropy on them"},
      {"test_images", &test_images, "images", "that these two are over"},
      {"train_loss", &train_loss, "nats", "mean loss on the examples of the Fisher"},
  };
}

std::vector<Column> CellRow::columns() {
  return {
      {"criterion", &criterion, "", "prune.criterion of the cell"},
      {"inverse", &inverse, "", "prune.inverse"},
      {"fisher_block_size", &fisher_block_size, "weights",
       "of a block, where the sweep lists sizes for the inverse \"block\""},
      {"damp", &damp, "", "prune.damp"},
      {"update", &update, "", "prune.update"},
      {"scope", &scope, "", "prune.scope"},
      {"target", &target, "share", "of the prunable weights to remove"},
      {"sparsity", &sparsity, "share", "of them that were removed"},
      {"test_accuracy", &test_accuracy, "share", "of correct predictions on the test images"},
      {"test_loss", &test_loss, "nats", "mean cross-entropy on them"},
      {"predicted_loss_change", &predicted_loss_change, "nats",
       "that the quadratic model expected on the examples of the Fisher"},
      {"measured_loss_change", &measured_loss_change, "nats", "on the same examples"},
      {"seconds", &seconds, "s", "of the cell, with its part of what its combination has in common"},
      {"failed", &failed, "", "why the cell could not be done"},
  };
}

std::vector<Column> StartRow::columns() {
  return {{"checkpoint", &checkpoint, "", "whose weights are looked at; empty: fresh ones"}};
}

std::vector<Column> CurvatureRow::columns() {
  return {
      {"layer", &layer, "", "name of the layer, or of several looked at jointly (\"fc2+fc3\")"},
      {"weights", &weights, "", "of it: rows and columns of the matrices"},
      {"examples", &examples, "images", "that the matrices are means over"},
      {"dense", &dense, "", "whether the matrices were formed; else diagonals and products only"},
      {"trace.", &trace, "", "sum of the diagonal", "MATRIX"},
      {"norm.", &norm, "", "Frobenius norm", "MATRIX"},
      {"mass_", &mass, "share", "of the squared norm within diagonal blocks of so many weights",
       "BLOCK.MATRIX"},
      {"cosine.", &cosine, "", "to the first, both taken as vectors", "MATRIX"},
      {"norm_ratio.", &norm_ratio, "", "norm divided by that of the first", "MATRIX"},
      {"diagonal_cosine.", &diagonal_cosine, "", "of the diagonal to that of the first", "MATRIX"},
      {"rank_correlation.", &rank_correlation, "", "Spearman's, of the diagonal with that of the first",
       "MATRIX"},
      {"eigenvalue_", &eigenvalue, "", "largest eigenvalues, from 1", "RANK.MATRIX"},
      {"eigenvalues_settled.", &eigenvalues_settled, "", "1 if they are all exact to the tolerance, else 0",
       "MATRIX"},
      {"hessian_error", &hessian_error, "",
       "relative difference between the Hessian and a Hessian-vector product by differences of gradients"},
      {"seconds", &seconds, "s", "for this number of examples"},
  };
}

std::vector<Column> ResultRow::columns() {
  return {
      {"run", &run, "", "the run as `reproduce` prints it"},
      {"part", &part, "", "of the experiment"},
      {"method", &method, "", "of the part; empty: it has none"},
      {"value", &value, "", "that `vary` takes, or the sparsity or number of examples of the run's own row"},
      {"seed", &seed, "", "of the run"},
      {"config_sha256", &config_sha256, "", "of the config it was run with"},
      {"steps", &steps, "", "pruning steps taken until there"},
      {"predicted_loss_change", &predicted_loss_change, "nats",
       "the sum of their predictions, or that of the run's own row"},
      {"measured_loss_change", &measured_loss_change, "nats", "the same of what was measured"},
      {"seconds", &seconds, "s", "of training and pruning until there, or of the run's own row"},
      {"test_images", &test_images, "images", "that the run's accuracy and loss are over"},
      {"failed", &failed, "", "why the run could not be done"},
  };
}

std::vector<RowKind> all_row_kinds() {
  return {kind_of<EpochRow>(), kind_of<NoticeRow>(), kind_of<DampRow>(),      kind_of<PruneRow>(),
          kind_of<DoneRow>(),  kind_of<DenseRow>(),     kind_of<CellRow>(),
          kind_of<StartRow>(), kind_of<CurvatureRow>(), kind_of<ResultRow>()};
}

namespace {
std::string key_of(const RowKind& kind) { return kind.event.empty() ? "result" : kind.event; }
}  // namespace

std::string columns_markdown() {
  std::string out;
  for (const RowKind& kind : all_row_kinds()) {
    out += fmt::format(
        "{}## {}\n\n{}{}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n", out.empty() ? "" : "\n",
        key_of(kind), kind.event.empty() ? "" : fmt::format("`\"event\": \"{}\"`. ", kind.event), kind.about);
    for (const Column& c : kind.columns)
      out += fmt::format("| `{}` | {}{} | {} | {} |\n", c.shown(), c.type(),
                         c.optional() ? ", may be missing" : "", c.unit, c.about);
  }
  return out;
}

Json columns_json() {
  Json kinds = Json::object();
  for (const RowKind& kind : all_row_kinds()) {
    Json columns = Json::object();
    for (const Column& c : kind.columns)
      columns[c.name] = {{"type", c.type()},
                         {"unit", c.unit},
                         {"about", c.about},
                         {"optional", c.optional()},
                         {"many", c.many()}};
    kinds[key_of(kind)] = {{"about", kind.about}, {"columns", std::move(columns)}};
  }
  return kinds;
}

namespace {

Json value_schema(const Column& c) {
  Json schema{{"type", c.type()},
              {"description", c.unit.empty() ? c.about : fmt::format("[{}] {}", c.unit, c.about)}};
  if (c.type() == "number") schema["type"] = {"number", "null"};  // null: not finite
  return schema;
}

/// A kind whose rows may have the columns of `more` kinds besides their own.
Json kind_schema(const RowKind& kind, const std::vector<RowKind>& more = {}) {
  Json properties = Json::object(), patterns = Json::object(), required = Json::array();
  const auto add = [&](const RowKind& of, bool own) {
    for (const Column& c : of.columns) {
      if (c.many()) {
        std::string pattern = "^";
        for (const char letter : c.name)
          pattern += letter == '.' ? std::string("\\.") : std::string(1, letter);
        patterns.emplace(pattern, value_schema(c));
        continue;
      }
      properties.emplace(c.name, value_schema(c));  // the first that says so stays
      if (own && !c.optional()) required.push_back(c.name);
    }
  };
  if (!kind.event.empty()) {
    properties["event"] = {{"const", kind.event}};
    required.push_back("event");
  }
  add(kind, true);
  for (const RowKind& other : more) add(other, false);
  Json schema{{"title", key_of(kind)},
              {"description", kind.about},
              {"type", "object"},
              {"required", std::move(required)},
              {"properties", std::move(properties)},
              {"additionalProperties", false}};
  if (!patterns.empty()) schema["patternProperties"] = std::move(patterns);
  return schema;
}

}  // namespace

std::string metrics_schema() {
  Json kinds = Json::array();
  for (const RowKind& kind : all_row_kinds())
    kinds.push_back(kind.event.empty() ? kind_schema(kind, {kind_of<DoneRow>(), kind_of<CellRow>(),
                                                            kind_of<CurvatureRow>(), kind_of<PruneRow>()})
                                       : kind_schema(kind));
  const Json schema{
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"title", "Espalier metrics: one line of metrics.jsonl, or of the results of an experiment"},
      {"oneOf", std::move(kinds)}};
  return schema.dump(2);
}

}  // namespace espalier
