#include "tools/explain/explain_schema.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
using Members = std::vector<std::pair<std::string, Json>>;

/// Null where it is not finite.
Json a_number(const char* about = "") {
  Json schema{{"type", {"number", "null"}}};
  if (*about) schema["description"] = about;
  return schema;
}
Json type(const char* name, const char* about = "") {
  Json schema{{"type", name}};
  if (*about) schema["description"] = about;
  return schema;
}
Json list(const Json& of, const char* about = "") {
  Json schema = type("array", about);
  schema["items"] = of;
  return schema;
}

/// An object that has all of these members, may have those of `optional`, and no others.
Json object(const Members& members, const Members& optional = {}) {
  Json required = Json::array(), properties = Json::object();
  for (const auto& [name, schema] : members) {
    required.push_back(name);
    properties[name] = schema;
  }
  for (const auto& [name, schema] : optional) properties[name] = schema;
  return {{"type", "object"},
          {"required", std::move(required)},
          {"properties", std::move(properties)},
          {"additionalProperties", false}};
}

Json of_problem() {
  const Json number = a_number(), integer = type("integer"), vector = list(number), matrix = list(vector),
             weights = list(integer);
  const auto scores = [&](const char* about) { return list(number, about); };
  const Json single = object({{"delta_w", vector}, {"loss_increase", number}});
  const Json set = object({{"delta_w", vector},
                           {"new_w", vector},
                           {"loss_increase", number},
                           {"simultaneous_delta_w", vector},
                           {"simultaneous_then_zeroed_delta_w", vector},
                           {"simultaneous_then_zeroed_loss_increase", number}});
  return object(
      {{"F", list(vector, "lambda I + the mean of g g', on the diagonal blocks")},
       {"F_inv", matrix},
       {"F_inv_diag", vector},
       {"F_inv_times_g", list(number, "h = F^-1 g")},
       {"rho_magnitude", scores("|w|")},
       {"rho_obd_damped", scores("1/2 F_qq w^2")},
       {"rho_diag_fisher_undamped", scores("1/2 (F_qq - lambda) w^2")},
       {"rho_woodfisher", scores("w^2 / (2 [F^-1]_qq)")},
       {"rho_woodtaylor", scores("(w - h)^2 / (2 [F^-1]_qq)")},
       {"woodtaylor_constant", a_number("-1/2 g'F^-1 g")},
       {"woodtaylor_loss_increase", scores("rho and the constant")},
       {"ranking_woodfisher_ascending", weights},
       {"ranking_woodtaylor_ascending", weights},
       {"single_removals",
        list(object({{"removed", integer}, {"woodfisher", single}, {"woodtaylor", single}}))},
       {"set_removals", list(object({{"removed", weights}, {"woodfisher", set}, {"woodtaylor", set}}),
                             "of the sets in \"sets_removed\"")}},
      {{"exhaustive_k_subsets",
        list(object({{"k", integer},
                     {"best_subset", weights},
                     {"best_loss_increase", number},
                     {"lowest_rho_subset", weights},
                     {"lowest_rho_loss_increase", number},
                     {"all_subsets_examined", integer}}),
             "for 2 to 16 weights: of each size, the best set, and that of lowest rho")},
       {"F_if_minibatch_were_1", list(vector, "where the problem gives \"per_example_gradients\"")}});
}

Json of_weight() {
  const Json number = a_number(), integer = type("integer"), text = type("string");
  return object({{"weight", type("string", "layer[o,i,h,w] or layer[o,i]")},
                 {"value", number},
                 {"pruned", type("boolean")},
                 {"mean_gradient", number},
                 {"damp", number},
                 {"inverse", type("string", "prune.inverse")},
                 {"inverse_diagonal", a_number("[F^-1]_qq")},
                 {"num_grads", integer},
                 {"weights", type("integer", "that are left")},
                 {"criteria", list(object({{"criterion", text}, {"score", number}, {"rank", integer}}))},
                 {"absorbed_by", list(object({{"weight", text}, {"value", number}, {"delta", number}}))},
                 {"removal", list(object({{"update", text},
                                          {"predicted_loss_change", number},
                                          {"predicted_with_damping", number},
                                          {"measured_loss_change", number},
                                          {"held_out_loss_change", number}}))}});
}

}  // namespace

std::string explain_schema() {
  Json problem = of_problem(), weight = of_weight();
  problem["title"] = "explain PROBLEM.json --json";
  weight["title"] = "explain CONFIG --weight WEIGHT --json";
  const Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
                    {"title", "Espalier explain --json"},
                    {"oneOf", {std::move(problem), std::move(weight)}}};
  return schema.dump(2);
}

}  // namespace espalier
