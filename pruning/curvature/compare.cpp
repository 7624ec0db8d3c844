#include "pruning/curvature/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "pruning/rows/vector_math.h"

namespace espalier {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

std::vector<double> ranks(std::span<const double> v) {
  std::vector<std::size_t> order(v.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return v[i] < v[j]; });
  std::vector<double> rank(v.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && v[order[j]] == v[order[i]]) ++j;
    for (std::size_t k = i; k < j; ++k) rank[order[k]] = 0.5 * static_cast<double>(i + j - 1);
    i = j;
  }
  return rank;
}

}  // namespace

double frobenius_norm(std::span<const double> values) { return norm(values); }

double cosine(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "[cosine] {} and {} values", a.size(), b.size());
  const double scale = frobenius_norm(a) * frobenius_norm(b);
  return scale > 0 ? dot(a, b) / scale : undefined;
}

double rank_correlation(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "[rank_correlation] {} and {} values", a.size(), b.size());
  std::vector<double> x = ranks(a), y = ranks(b);
  const double middle = 0.5 * (static_cast<double>(x.size()) - 1);
  for (double& v : x) v -= middle;
  for (double& v : y) v -= middle;
  return cosine(x, y);
}

double mass_in_blocks(const SquareMatrix& matrix, Index block) {
  require(block > 0, "[mass_in_blocks] a block of {} weights", block);
  const Index d = matrix.size;
  double inside = 0, all = 0;
  for (Index i = 0; i < d; ++i) {
    const Index begin = i / block * block;
    const auto row = std::span(matrix.values).subspan(i * d, d);
    const auto near = row.subspan(begin, std::min(block, d - begin));
    inside += dot(near, near);
    all += dot(row, row);
  }
  return all > 0 ? inside / all : undefined;
}

}  // namespace espalier
