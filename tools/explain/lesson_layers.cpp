#include "tools/explain/lesson_layers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "pruning/curvature/compare.h"
#include "tools/report/report_text.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t block_weights = 24, recursion_rows = 12;

/// Row by row, each up to the diagonal.
Json lower_triangle(const SquareMatrix& m, std::size_t size) {
  Json list = Json::array();
  for (Index i = 0; i < static_cast<Index>(size); ++i)
    for (Index j = 0; j <= i; ++j) list.push_back(rounded(m(i, j)));
  return list;
}

SquareMatrix part(const SquareMatrix& m, Index begin, Index size) {
  SquareMatrix p(size);
  for (Index i = 0; i < size; ++i)
    for (Index j = 0; j < size; ++j) p(i, j) = m(begin + i, begin + j);
  return p;
}

/// Signed bytes q with value = scale sign(q) (q / 127)^2: squares keep small entries apart.
std::string quantised(const SquareMatrix& m, double scale) {
  std::vector<std::uint8_t> bytes;
  for (const double v : m.values) {
    const double q = scale > 0 ? 127 * std::sqrt(std::min(1.0, std::abs(v) / scale)) : 0;
    bytes.push_back(static_cast<std::uint8_t>(static_cast<std::int8_t>(std::lround(v < 0 ? -q : q))));
  }
  return base64(bytes);
}

Json likeness(const SquareMatrix& a, const SquareMatrix& b) {
  std::vector<double> diagonal_a, diagonal_b;
  for (Index i = 0; i < a.size; ++i) diagonal_a.push_back(a(i, i)), diagonal_b.push_back(b(i, i));
  return {{"cosine", rounded(cosine(a.values, b.values))},
          {"rank_correlation", rounded(rank_correlation(diagonal_a, diagonal_b))}};
}

/// Rows of G on the block, those of the largest norm there, largest first.
Json gradient_rows(const GradientRows& rows, std::span<const Index> block) {
  const Range columns{block.front(), block.back() + 1};
  std::vector<double> g(rows.rows() * columns.size());
  rows.load(columns, g.data());
  const auto width = static_cast<std::size_t>(columns.size());
  const auto row = [&](std::size_t m) { return std::span(g).subspan(m * width, width); };
  std::vector<std::size_t> order(rows.rows());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return frobenius_norm(row(a)) > frobenius_norm(row(b));
  });
  order.resize(std::min(order.size(), recursion_rows));
  Json list = Json::array();
  for (const std::size_t m : order) list.push_back({{"row", m}, {"g", rounded(row(m))}});
  return list;
}

}  // namespace

Json rounded(double v) {
  if (!std::isfinite(v)) return nullptr;
  return std::stod(fmt::format("{:.6g}", v));
}
Json rounded(std::span<const double> values) {
  Json list = Json::array();
  for (const double v : values) list.push_back(rounded(v));
  return list;
}

Json layer_json(const WeightStudy& study, const LayerView& layer, const LessonWeights& chosen,
                const std::vector<LessonMatrices>& by_examples, const std::vector<bool>& removed) {
  const std::vector<Index> block = chosen.block(block_weights);
  const std::size_t size = block.size();
  const auto begin = static_cast<Index>(chosen.best) * chosen.per_filter;
  Json b{{"names", Json::array()}, {"w", Json::array()}, {"g", Json::array()}, {"removed", Json::array()}};
  for (const Index c : block) {
    const auto q = static_cast<std::size_t>(c);
    b["names"].push_back(weight_name(layer, c));
    b["w"].push_back(rounded(study.weights()[q]));
    b["g"].push_back(rounded(study.rows().mean()[q]));
    if (!removed.empty()) b["removed"].push_back(static_cast<bool>(removed[q]));
  }
  b["rows"] = gradient_rows(study.rows(), block);
  Json like = Json::array();
  for (const LessonMatrices& m : by_examples) {
    const auto corner = [&](const SquareMatrix& all) { return part(all, begin, static_cast<Index>(size)); };
    b["matrices"].push_back({{"examples", m.examples},
                             {"hessian", lower_triangle(corner(m.hessian), size)},
                             {"sampled_fisher", lower_triangle(corner(m.sampled), size)},
                             {"empirical_fisher", lower_triangle(corner(m.empirical), size)},
                             {"sampled_like", likeness(corner(m.hessian), corner(m.sampled))},
                             {"empirical_like", likeness(corner(m.hessian), corner(m.empirical))}});
    like.push_back({{"examples", m.examples},
                    {"sampled", likeness(m.hessian, m.sampled)},
                    {"empirical", likeness(m.hessian, m.empirical)}});
  }
  const LessonMatrices& last = by_examples.back();
  double scale = 0;
  for (const SquareMatrix* m : {&last.hessian, &last.sampled, &last.empirical})
    for (const double v : m->values) scale = std::max(scale, std::abs(v));
  // Shares kept by diagonal blocks of 1, 2, 4, ... weights, of a filter's window, and of all.
  std::set<Index> sizes{chosen.per_filter, last.hessian.size};
  for (Index c = 1; c < last.hessian.size; c *= 2) sizes.insert(c);
  Json mass = Json::array();
  for (const Index c : sizes)
    mass.push_back({{"block", c},
                    {"hessian", rounded(mass_in_blocks(last.hessian, c))},
                    {"empirical_fisher", rounded(mass_in_blocks(last.empirical, c))}});
  Json names = Json::array(), gone = Json::array();
  for (const Index c : chosen.columns) {
    names.push_back(weight_name(layer, c));
    if (!removed.empty()) gone.push_back(static_cast<bool>(removed[c]));
  }
  return {{"name", layer.name},
          {"weights", layer.columns.size()},
          {"block", b},
          {"picture",
           {{"size", last.hessian.size},
            {"filters", chosen.filters},
            {"per_filter", chosen.per_filter},
            {"block_begin", begin},
            {"examples", last.examples},
            {"scale", rounded(scale)},
            {"names", names},
            {"removed", gone},
            {"hessian", quantised(last.hessian, scale)},
            {"sampled_fisher", quantised(last.sampled, scale)},
            {"empirical_fisher", quantised(last.empirical, scale)},
            {"mass", mass},
            {"like", like}}}};
}

}  // namespace espalier
