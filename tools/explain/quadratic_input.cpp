// quadratic_input.cpp: a problem's file, read and checked.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/config/suggest.h"
#include "framework/io/json_text.h"
#include "tools/explain/quadratic_problem.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t largest = 512;

[[noreturn]] void wrong(const std::string& path, const std::string& what) {
  fail(ExitCode::config, "{}: {}", path, what);
}

Vector numbers(const Json& j, const std::string& path, const std::string& key) {
  if (!j.is_array()) wrong(path, fmt::format("{} is {}; it must be a list of numbers", key, j.type_name()));
  Vector v;
  for (const Json& x : j) {
    if (!x.is_number() || !std::isfinite(x.get<double>()))
      wrong(path, fmt::format("{} holds {}; it must be a list of finite numbers", key, shown(x)));
    v.push_back(x.get<double>());
  }
  return v;
}

Matrix rows(const Json& j, const std::string& path, const std::string& key, std::size_t d) {
  if (!j.is_array()) wrong(path, fmt::format("{} is {}; it must be a list of rows", key, j.type_name()));
  Matrix m;
  for (const Json& row : j) {
    m.push_back(numbers(row, path, fmt::format("{}[{}]", key, m.size())));
    if (m.back().size() != d)
      wrong(path, fmt::format("{}[{}] has {} values, but there are {} weights", key, m.size() - 1,
                              m.back().size(), d));
  }
  return m;
}

std::vector<std::vector<Index>> index_sets(const Json& j, const std::string& path, const std::string& key,
                                           std::size_t d) {
  if (!j.is_array())
    wrong(path, fmt::format("{} is {}; it must be a list of lists of weight numbers", key, j.type_name()));
  std::vector<std::vector<Index>> sets;
  for (const Json& list : j) {
    const std::string where = fmt::format("{}[{}]", key, sets.size());
    if (!list.is_array() || list.empty())
      wrong(path, where + " must be a list of weight numbers, at least one");
    std::vector<Index>& set = sets.emplace_back();
    for (const Json& q : list) {
      if (!q.is_number_integer() || q.get<std::int64_t>() < 0 ||
          q.get<std::int64_t>() >= static_cast<std::int64_t>(d))
        wrong(path, fmt::format("{} holds {}; weights are numbered 0 to {}", where, shown(q), d - 1));
      if (std::find(set.begin(), set.end(), q.get<Index>()) != set.end())
        wrong(path, fmt::format("{} names weight {} twice", where, q.dump()));
      set.push_back(q.get<Index>());
    }
  }
  return sets;
}

}  // namespace

std::vector<Index> block_order(const QuadraticProblem& p) {
  std::vector<Index> order;
  for (const auto& b : p.blocks) order.insert(order.end(), b.begin(), b.end());
  return order;
}

QuadraticProblem read_problem(const std::string& path) {
  Json all = read_json(path, ExitCode::config);
  if (all.is_object() && all.contains("inputs")) all = Json(all["inputs"]);
  if (!all.is_object()) wrong(path, "must hold a JSON object with \"gradients\", \"lambda\" and \"weights\"");
  const std::vector<std::string> known{"gradients",
                                       "lambda",
                                       "weights",
                                       "blocks",
                                       "sets_removed",
                                       "gradient_vector",
                                       "comment",
                                       "gradient_vector_source",
                                       "per_example_gradients"};
  for (const auto& [key, value] : all.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      wrong(path, fmt::format("has no use for \"{}\"{}", printable(key), did_you_mean(key, known)));
  for (const char* key : {"gradients", "lambda", "weights"})
    if (!all.contains(key)) wrong(path, fmt::format("needs \"{}\"", key));
  QuadraticProblem p;
  p.file = path;
  p.w = numbers(all["weights"], path, "weights");
  if (p.w.empty() || p.d() > largest)
    wrong(path, fmt::format("weights has {} values; 1 to {} can be explained (use `espalier prune` for more)",
                            p.d(), largest));
  p.gradients = rows(all["gradients"], path, "gradients", p.d());
  if (!all["lambda"].is_number() || !(all["lambda"].get<double>() > 0) ||
      !std::isfinite(all["lambda"].get<double>()))
    wrong(path, fmt::format("lambda is {}; it must be a number greater than 0", shown(all["lambda"])));
  p.damp = all["lambda"];
  if (all.contains("gradient_vector")) {
    p.g = numbers(all["gradient_vector"], path, "gradient_vector");
    if (p.g.size() != p.d())
      wrong(path, fmt::format("gradient_vector has {} values, but there are {} weights", p.g.size(), p.d()));
  } else {
    p.g.assign(p.d(), 0.0);
    for (const Vector& row : p.gradients)
      for (std::size_t q = 0; q < p.d(); ++q) p.g[q] += row[q] / static_cast<double>(p.n());
  }
  if (all.contains("per_example_gradients"))
    p.per_example = rows(all["per_example_gradients"], path, "per_example_gradients", p.d());
  if (all.contains("blocks")) p.blocks = index_sets(all["blocks"], path, "blocks", p.d());
  if (p.blocks.empty()) {
    p.blocks.emplace_back(p.d());
    std::iota(p.blocks[0].begin(), p.blocks[0].end(), 0);
  }
  std::vector<Index> order = block_order(p);
  std::sort(order.begin(), order.end());
  for (std::size_t q = 0; q < p.d(); ++q)
    if (order.size() != p.d() || order[q] != static_cast<Index>(q))
      wrong(path, fmt::format("blocks must name each of the {} weights once", p.d()));
  if (all.contains("sets_removed")) p.sets = index_sets(all["sets_removed"], path, "sets_removed", p.d());
  return p;
}

}  // namespace espalier
