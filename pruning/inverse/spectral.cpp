#include "pruning/inverse/spectral.h"

#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"

namespace espalier {
namespace {

using kernels::Transpose;
constexpr Index panel_width = 512;
constexpr double zero = 1e-13;  // eigenvalues below this share of the largest are rounding

/// One block's decomposition: of G G' if it is the smaller, else of G'G / N.
struct SpectralBlock {
  Range columns;
  bool gram = false;
  Index order = 0;
  std::vector<double> vectors, values;  ///< columns of U; ascending

  SpectralBlock(const GradientRows& rows, Range range) : columns(range) {
    const Index n = rows.rows(), c = range.size();
    gram = n < c;
    order = gram ? n : c;
    vectors.assign(order * order, 0.0);
    values.resize(order);
    std::vector<double> g(n * std::min(panel_width, c));
    if (gram) {
      for (Index first = range.begin; first < range.end; first += panel_width) {
        const Index width = std::min(panel_width, range.end - first);
        rows.load({first, first + width}, g.data());
        kernels::syrk(n, width, 1, g.data(), width, 1, vectors.data(), n);
      }
    } else if (n > 0) {
      g.resize(n * c);
      rows.load(range, g.data());
      kernels::gemm(Transpose::yes, Transpose::no, c, c, n, 1 / static_cast<double>(n), g.data(), c, g.data(),
                    c, 0.0, vectors.data(), c);
    }
    if (order > 0) kernels::eigen_symmetric(order, vectors.data(), order, values.data());
    const double floor = values.empty() ? 0 : zero * std::max(0.0, values.back());
    for (double& v : values) v = v > floor ? v : 0;
  }
  double largest(Index n) const {
    return values.empty() ? 0 : gram ? values.back() / static_cast<double>(n) : values.back();
  }
};

/// [F^-1]_qq of one block for each of `damps`, at diagonals[i][block columns].
void add_diagonals(const GradientRows& rows, const SpectralBlock& b, std::span<const double> damps,
                   std::vector<std::vector<double>>& diagonals) {
  const auto n = static_cast<double>(rows.rows());
  std::vector<double> g, projected;
  for (Index first = b.columns.begin; first < b.columns.end; first += panel_width) {
    const Index width = std::min(panel_width, b.columns.end - first);
    if (b.gram) {
      g.resize(b.order * width);
      projected.resize(g.size());
      rows.load({first, first + width}, g.data());
      kernels::gemm(Transpose::yes, Transpose::no, b.order, width, b.order, 1, b.vectors.data(), b.order,
                    g.data(), width, 0.0, projected.data(), width);
    }
    for (Index j = 0; j < width; ++j) {
      // Shares of e_q in the eigenvectors of F:
      // those of G'G are U'G / sqrt(s); the rest lies where F is damp I.
      double rest = b.gram ? 1 : 0;
      std::vector<double> sums(damps.size(), 0.0);
      for (Index k = 0; k < b.order; ++k) {
        const auto at = static_cast<std::size_t>(k);
        double share = 0, curvature = 0;
        if (b.gram) {
          if (b.values[at] == 0) continue;
          const double p = projected[k * width + j];
          share = p * p / b.values[at];
          curvature = b.values[at] / n;
          rest -= share;
        } else {
          const double u = b.vectors[(first - b.columns.begin + j) * b.order + k];
          share = u * u;
          curvature = b.values[at];
        }
        for (std::size_t i = 0; i < damps.size(); ++i) sums[i] += share / (damps[i] + curvature);
      }
      for (std::size_t i = 0; i < damps.size(); ++i)  // never below the inverse of the largest curvature
        diagonals[i][first + j] =
            std::max(sums[i] + std::max(0.0, rest) / damps[i], 1 / (damps[i] + b.largest(rows.rows())));
    }
  }
}

class SpectralInverse final : public FisherInverse {
 public:
  SpectralInverse(const GradientRows& rows, const std::vector<SpectralBlock>& blocks, double damp,
                  std::vector<double> diagonal)
      : rows_(rows), blocks_(blocks), damp_(damp), diagonal_(std::move(diagonal)) {}
  Index size() const override { return rows_.cols(); }
  std::span<const double> diagonal() const override { return diagonal_; }
  void apply(std::span<const double> v, std::span<double> out) const override {
    const auto n = static_cast<double>(rows_.rows());
    for (const SpectralBlock& b : blocks_) {
      const auto begin = static_cast<std::size_t>(b.columns.begin),
                 width = static_cast<std::size_t>(b.columns.size());
      const std::span<const double> from = v.subspan(begin, width);
      const std::span<double> to = out.subspan(begin, width);
      if (b.order == 0) {
        for (std::size_t j = 0; j < width; ++j) to[j] = from[j] / damp_;
        continue;
      }
      std::vector<double> y(b.order), z(y.size());
      if (b.gram)
        multiply_rows(rows_, b.columns, from, y);
      else
        std::copy(from.begin(), from.end(), y.begin());
      kernels::gemv(Transpose::yes, b.order, b.order, 1, b.vectors.data(), b.order, y.data(), 0, z.data());
      for (std::size_t k = 0; k < z.size(); ++k) z[k] /= b.values[k] + (b.gram ? damp_ * n : damp_);
      kernels::gemv(Transpose::no, b.order, b.order, 1, b.vectors.data(), b.order, z.data(), 0, y.data());
      if (!b.gram) {
        std::copy(y.begin(), y.end(), to.begin());
        continue;
      }
      multiply_columns(rows_, b.columns, y, to);
      for (std::size_t j = 0; j < width; ++j) to[j] = (from[j] - to[j]) / damp_;
    }
  }

 private:
  const GradientRows& rows_;
  const std::vector<SpectralBlock>& blocks_;
  double damp_;
  std::vector<double> diagonal_;
};

class SpectralFamily final : public InverseFamily {
 public:
  SpectralFamily(const GradientRows& rows, const std::vector<Range>& blocks) : rows_(rows) {
    for (const Range b : blocks) blocks_.emplace_back(rows, b);
  }
  void prepare(std::span<const double> damps) override {
    damps_.assign(damps.begin(), damps.end());
    diagonals_.assign(damps_.size(), std::vector<double>(rows_.cols()));
    parallel_for(static_cast<Index>(blocks_.size()), 1, [&](Range chunk) {
      for (Index b = chunk.begin; b < chunk.end; ++b) add_diagonals(rows_, blocks_[b], damps_, diagonals_);
    });
  }
  std::unique_ptr<FisherInverse> at(double damp) override {
    if (!(damp > 0)) fail(ExitCode::config, "prune.damp is {:g}; it must be greater than 0", damp);
    auto found = std::find(damps_.begin(), damps_.end(), damp);
    if (found == damps_.end()) {
      prepare(std::span(&damp, 1));
      found = damps_.begin();
    }
    return std::make_unique<SpectralInverse>(rows_, blocks_, damp, diagonals_[found - damps_.begin()]);
  }
  std::vector<double> spectrum() const override {
    std::vector<double> all;
    const double n = std::max<double>(1, static_cast<double>(rows_.rows()));
    for (const SpectralBlock& b : blocks_)
      for (const double v : b.values)
        if (v > 0) all.push_back(b.gram ? v / n : v);
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  const GradientRows& rows_;
  std::vector<SpectralBlock> blocks_;
  std::vector<double> damps_;
  std::vector<std::vector<double>> diagonals_;
};

}  // namespace

std::unique_ptr<InverseFamily> spectral_family(const GradientRows& rows, std::vector<Range> blocks) {
  return std::make_unique<SpectralFamily>(rows, blocks);
}

}  // namespace espalier
