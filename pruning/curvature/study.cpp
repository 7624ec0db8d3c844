#include "pruning/curvature/study.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pruning/curvature/products.h"
#include "pruning/rows/vector_math.h"

namespace espalier {
namespace {

constexpr Index examples_per_pass = 256;

bool is_hessian(CurvatureKind kind) { return std::holds_alternative<Hessian>(kind); }

/// A product over some of the examples, which it keeps.
class PartialProduct final : public CurvatureOperator {
 public:
  PartialProduct(const Model& model, const Examples& examples, Index count,
                 const std::vector<ParameterId>& layers, CurvatureKind kind, LabelDraw labels)
      : part_(examples, {0, count}), product_(curvature_product(model, part_, layers, kind, labels)) {}
  Index size() const override { return product_->size(); }
  void apply(std::span<const double> v, std::span<double> out) const override { product_->apply(v, out); }

 private:
  PartOfExamples part_;
  std::unique_ptr<CurvatureOperator> product_;
};

}  // namespace

/// What is summed for one matrix: a block, or only its diagonal; the Hessian of several layers is put
/// together of its parts.
struct CurvatureStudy::Sum {
  std::optional<BlockSum> block;
  std::vector<BlockSum> layers;            // Hessian of several layers: diagonal blocks by rows,
  std::vector<std::vector<double>> cross;  // blocks between layers a < b by products, summed
  std::vector<DiagonalSum> diagonals;      // not dense: of each layer
  std::optional<SquareMatrix> mean;
};

CurvatureStudy::CurvatureStudy(const Model& model, const Examples& examples, std::vector<ParameterId> layers,
                               Options options)
    : model_(model),
      examples_(examples),
      layers_(std::move(layers)),
      columns_(layer_columns(model.store(), layers_)),
      options_(std::move(options)) {
  for (const CurvatureKind kind : options_.kinds) {
    if (kind == CurvatureKind(Hessian{})) require_gauss_newton(model_, layers_);
    auto& sum = sums_[stored(kind)];
    if (sum) continue;
    sum = std::make_shared<Sum>();
    if (!dense()) {
      for (const Range c : columns_) sum->diagonals.emplace_back(c.size());
    } else if (is_hessian(stored(kind))) {
      for (const Range c : columns_) sum->layers.emplace_back(c.size());
      for (std::size_t a = 0; a < columns_.size(); ++a)
        for (std::size_t b = a + 1; b < columns_.size(); ++b)
          sum->cross.emplace_back(static_cast<std::size_t>(columns_[a].size() * columns_[b].size()), 0.0);
    } else {
      sum->block.emplace(size());
    }
  }
}

CurvatureKind CurvatureStudy::stored(CurvatureKind kind) const {
  return is_hessian(kind) && layers_.size() == 1 ? CurvatureKind(FisherKind::exact) : kind;
}

void CurvatureStudy::extend(CurvatureKind kind, Sum& sum, Range range) {
  const bool parts = !dense() || is_hessian(kind);
  const auto layers = parts ? layers_.size() : 1;
  for (std::size_t l = 0; l < layers; ++l) {
    const CurvatureRows rows(model_, examples_, parts ? std::vector{layers_[l]} : layers_, kind,
                             options_.labels);
    rows.stream(range, [&](const RowPanel& panel) {
      if (!dense())
        sum.diagonals[l].add(panel);
      else
        (parts ? sum.layers[l] : *sum.block).add(panel);
      if (options_.progress && l + 1 == layers) options_.progress(panel.examples.size());
    });
  }
  if (!parts || !dense()) return;
  std::size_t pair = 0;
  for (std::size_t a = 0; a < layers_.size(); ++a)
    for (std::size_t b = a + 1; b < layers_.size(); ++b, ++pair) {
      const bool swap = columns_[b].size() < columns_[a].size();  // a reverse pass for each row: the fewer
      const Index r = columns_[swap ? b : a].size(), c = columns_[swap ? a : b].size();
      for (Index first = range.begin; first < range.end; first += examples_per_pass) {
        const Range piece{first, std::min(first + examples_per_pass, range.end)};
        const PartOfExamples part(examples_, piece);
        const std::vector<double> block = hessian_block_by_products(model_, part, layers_[swap ? b : a],
                                                                    layers_[swap ? a : b], examples_per_pass);
        for (Index i = 0; i < r; ++i)
          for (Index j = 0; j < c; ++j)
            sum.cross[pair][swap ? j * r + i : i * c + j] +=
                static_cast<double>(piece.size()) * block[i * c + j];
        if (options_.progress) options_.progress(0);
      }
    }
}

void CurvatureStudy::extend_to(Index n) {
  require(n >= reached_ && n <= examples_.size(), "[curvature study] from {} to {} of {} examples", reached_,
          n, examples_.size());
  for (auto& [kind, sum] : sums_) {
    sum->mean.reset();
    extend(kind, *sum, {reached_, n});
  }
  reached_ = n;
}

std::vector<double> CurvatureStudy::diagonal(CurvatureKind kind) const {
  const Sum& sum = *sums_.at(stored(kind));
  std::vector<double> d;
  const auto append = [&](const SquareMatrix& m) {
    for (Index i = 0; i < m.size; ++i) d.push_back(m(i, i));
  };
  if (sum.block) append(sum.block->mean());
  for (const BlockSum& b : sum.layers) append(b.mean());
  for (const DiagonalSum& s : sum.diagonals) {
    const std::vector<double> mean = s.mean();
    d.insert(d.end(), mean.begin(), mean.end());
  }
  return d;
}

const SquareMatrix& CurvatureStudy::block(CurvatureKind kind) {
  require(dense(), "[curvature study] {} weights are above max_dense", size());
  Sum& sum = *sums_.at(stored(kind));
  if (sum.mean) return *sum.mean;
  if (sum.block) return sum.mean.emplace(sum.block->mean());
  SquareMatrix& m = sum.mean.emplace(size());
  std::size_t pair = 0;
  for (std::size_t a = 0; a < columns_.size(); ++a) {
    const SquareMatrix own = sum.layers[a].mean();
    for (Index i = 0; i < own.size; ++i)
      for (Index j = 0; j < own.size; ++j) m(columns_[a].begin + i, columns_[a].begin + j) = own(i, j);
    for (std::size_t b = a + 1; b < columns_.size(); ++b, ++pair)
      for (Index i = 0; i < columns_[a].size(); ++i)
        for (Index j = 0; j < columns_[b].size(); ++j)
          m(columns_[a].begin + i, columns_[b].begin + j) = m(columns_[b].begin + j, columns_[a].begin + i) =
              sum.cross[pair][i * columns_[b].size() + j] / static_cast<double>(reached_);
  }
  return m;
}

std::unique_ptr<CurvatureOperator> CurvatureStudy::product(CurvatureKind kind) {
  if (dense()) return std::make_unique<DenseOperator>(block(kind));
  return std::make_unique<PartialProduct>(model_, examples_, reached_, layers_, stored(kind),
                                          options_.labels);
}

double CurvatureStudy::hessian_error(std::uint64_t seed) {
  const PartialProduct exact(model_, examples_, reached_, layers_, Hessian{}, {});
  Random random(seed, Random::Use::test, {0x48});
  std::vector<double> v(size()), expected(v.size()), got(v.size());
  for (double& x : v) x = random.normal();
  exact.apply(v, expected);
  product(Hessian{})->apply(v, got);
  for (std::size_t i = 0; i < got.size(); ++i) got[i] -= expected[i];
  const double length = norm(expected);
  return length > 0 ? norm(got) / length : std::numeric_limits<double>::quiet_NaN();
}

double CurvatureStudy::bytes(Index size, std::size_t kinds, Index max_dense) {
  const auto n = static_cast<double>(kinds);
  // Sums and means of each matrix; two more while pictures are smoothed; a panel of rows, its tiles.
  const double blocks = size <= max_dense ? (2 * n + 2) * BlockSum::bytes(size) : 0;
  return blocks + (n + 210) * 8 * static_cast<double>(size) + 64e6;
}

SquareMatrix smoothed(const SquareMatrix& matrix, double sigma) {
  if (!(sigma > 0)) return matrix;
  const Index d = matrix.size, reach = std::min<Index>(static_cast<Index>(std::ceil(4 * sigma)), d);
  std::vector<double> kernel;
  for (Index k = 0; k <= reach; ++k)
    kernel.push_back(std::exp(-0.5 * std::pow(static_cast<double>(k) / sigma, 2)));
  SquareMatrix from = matrix, to(d);
  for (int axis = 0; axis < 2; ++axis) {  // along rows, transposed; twice: back in place
    parallel_for(d, 16, [&](Range rows) {
      for (Index i = rows.begin; i < rows.end; ++i)
        for (Index j = 0; j < d; ++j) {
          double sum = 0, weight = 0;
          for (Index k = std::max<Index>(0, j - reach); k <= std::min(d - 1, j + reach); ++k) {
            const double w = kernel[std::abs(j - k)];
            sum += w * from(i, k);
            weight += w;
          }
          to(j, i) = sum / weight;
        }
    });
    std::swap(from, to);
  }
  return from;
}

SquareMatrix reduced(const SquareMatrix& matrix, Index factor) {
  require(factor > 0, "[reduced] a factor of {}", factor);
  const Index d = matrix.size, cells = (d + factor - 1) / factor;
  SquareMatrix small(cells);
  for (Index i = 0; i < d; ++i)
    for (Index j = 0; j < d; ++j) small(i / factor, j / factor) += matrix(i, j);
  const auto extent = [&](Index cell) { return static_cast<double>(std::min(factor, d - cell * factor)); };
  for (Index i = 0; i < cells; ++i)
    for (Index j = 0; j < cells; ++j) small(i, j) /= extent(i) * extent(j);
  return small;
}

}  // namespace espalier
