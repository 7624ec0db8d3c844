// sparse_plan.cpp: plans as JSON:
//   {"few": {"images": 1, "stretches": [["conv1", "flatten"]], "linear": ["fc1"]}, "many": {..}, "many_from": 8}
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/infer/sparse_engine.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const SparsePlan::Side& side) {
  Json stretches = Json::array();
  for (const SparsePlan::Part& part : side.stretches) stretches.push_back({part.first, part.last});
  return {{"images", side.images}, {"stretches", stretches}, {"linear", side.linear}};
}

SparsePlan::Side side_of(const Json& json) {
  SparsePlan::Side side;
  side.images = json.at("images").get<Index>();
  for (const Json& part : json.at("stretches"))
    side.stretches.push_back({part.at(0).get<std::string>(), part.at(1).get<std::string>()});
  side.linear = json.at("linear").get<std::vector<std::string>>();
  return side;
}

}  // namespace

std::string text_of(const SparsePlan& plan) {
  return Json{{"few", json_of(plan.few)}, {"many", json_of(plan.many)}, {"many_from", plan.many_from}}.dump(
             2) +
         "\n";
}

SparsePlan sparse_plan_of(const std::string& text, const std::string& source) {
  try {
    const Json json = Json::parse(text);
    return {side_of(json.at("few")), side_of(json.at("many")), json.at("many_from").get<Index>()};
  } catch (const nlohmann::json::exception& e) {
    fail(
        ExitCode::config,
        "{}: not a sparse plan: {}; it has \"few\" and \"many\", each with \"images\", \"stretches\" and \"linear\", "
        "and \"many_from\"",
        source, e.what());
  }
}

}  // namespace espalier
