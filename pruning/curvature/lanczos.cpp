#include "pruning/curvature/lanczos.h"

#include <algorithm>
#include <cmath>

#include "framework/kernels/gemm.h"
#include "pruning/rows/vector_math.h"

namespace espalier {
namespace {

/// The orthonormal vectors so far, [count, d] row-major.
class Basis {
 public:
  explicit Basis(Index size) : size_(size) {}
  Index count() const { return count_; }
  const double* data() const { return values_.data(); }
  void add(std::span<const double> v) {
    values_.insert(values_.end(), v.begin(), v.end());
    ++count_;
  }
  std::span<const double> last() const {
    return {values_.data() + (count_ - 1) * size_, static_cast<std::size_t>(size_)};
  }
  /// Takes away v's part in the span, twice: once leaves rounding of the size of what it took away (Parlett).
  void orthogonalise(std::vector<double>& v) const {
    std::vector<double> along(count_);
    for (int pass = 0; pass < 2 && count_ > 0; ++pass) {
      kernels::gemv(kernels::Transpose::no, count_, size_, 1, values_.data(), size_, v.data(), 0,
                    along.data());
      kernels::gemv(kernels::Transpose::yes, count_, size_, -1, values_.data(), size_, along.data(), 1,
                    v.data());
    }
  }

 private:
  Index size_, count_ = 0;
  std::vector<double> values_;
};

/// Eigenvalues, ascending, and eigenvectors (columns) of the tridiagonal matrix.
struct Tridiagonal {
  std::vector<double> values, vectors;
  Tridiagonal(const std::vector<double>& alpha, const std::vector<double>& beta) {
    const std::size_t m = alpha.size();
    values.resize(m);
    vectors.assign(m * m, 0.0);
    for (std::size_t i = 0; i < m; ++i) {
      vectors[i * m + i] = alpha[i];
      if (i + 1 < m) vectors[i * m + i + 1] = vectors[(i + 1) * m + i] = beta[i];
    }
    kernels::eigen_symmetric(static_cast<Index>(m), vectors.data(), static_cast<Index>(m), values.data());
  }
};

/// A random vector of length 1, orthogonal to the basis.
bool fresh_direction(const Basis& basis, Random& random, std::vector<double>& v) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    for (double& x : v) x = random.normal();
    const double before = norm(v);
    basis.orthogonalise(v);
    const double length = norm(v);
    if (length <= 1e-10 * before) continue;
    for (double& x : v) x /= length;
    return true;
  }
  return false;
}

}  // namespace

Eigenvalues lanczos(const CurvatureOperator& matrix, const LanczosOptions& options) {
  const Index d = matrix.size();
  const auto most = std::min<Index>(options.most_steps, d);
  require(d > 0 && options.most_steps > 0, "[lanczos] a matrix of {} columns, {} steps", d,
          options.most_steps);
  Random random(options.seed, Random::Use::test, {0x4c616e637a6f73});
  std::vector<double> alpha, beta, v(static_cast<std::size_t>(d)), w(v.size());
  Basis basis(d);
  fresh_direction(basis, random, v);
  double scale = 0;
  bool restarted = false;  // v is a fresh direction
  Eigenvalues result;
  for (Index step = 1; step <= most; ++step) {
    basis.add(v);
    matrix.apply(basis.last(), w);
    if (options.progress) options.progress(static_cast<int>(step));
    const double a = dot(v, w);
    alpha.push_back(a);
    basis.orthogonalise(w);
    double b = norm(w);
    scale = std::max({scale, std::abs(a), b});
    // The span is invariant (a matrix of low rank, a repeated eigenvalue): go on in a fresh direction, to
    // which the matrix does not couple. If that is an eigenvector at once, being random, so is every other
    // direction that is left, with the same eigenvalue.
    const bool invariant = b <= 1e-12 * scale;
    const Index left = invariant && restarted && !options.vectors ? d - step : 0;
    restarted = invariant;
    if (invariant) {
      b = 0;
      if (step < d && !fresh_direction(basis, random, w)) break;
    } else {
      for (double& x : w) x /= b;
    }
    beta.push_back(b);
    v = w;
    const bool last = step == most || left > 0;
    if (!last && (step % 5 != 0 || invariant)) continue;  // eigenvalues are looked at every fifth step

    const Tridiagonal t(alpha, beta);
    const auto m = static_cast<Index>(alpha.size());
    const double size = std::max({std::abs(t.values.front()), std::abs(t.values.back()), 1e-300});
    const auto take = [&](int wanted, bool from_top) {
      std::vector<Eigenvalues::One> out;
      for (Index k = 0; k < m; ++k)
        // The residual of a Ritz pair is beta_m times the last entry of its vector.
        out.push_back({t.values[k], b * std::abs(t.vectors[(m - 1) * m + k]), {}});
      for (Index k = 0; k < std::min<Index>(left, wanted); ++k) out.push_back({a, 0, {}});
      std::stable_sort(out.begin(), out.end(), [&](const auto& x, const auto& y) {
        return from_top ? x.value > y.value : x.value < y.value;
      });
      if (static_cast<Index>(out.size()) > wanted) out.resize(wanted);
      return out;
    };
    result = {take(options.largest, true), take(options.smallest, false), static_cast<int>(step), true};
    for (const auto* end : {&result.largest, &result.smallest})
      for (const Eigenvalues::One& e : *end) result.settled &= e.residual <= options.tolerance * size;
    result.settled &= m + left >= std::min<Index>(d, std::max(options.largest, options.smallest));
    if (!result.settled && !last) continue;
    if (options.vectors) {
      const auto fill = [&](bool from_top, std::vector<Eigenvalues::One>& out) {
        std::vector<double> y(m);
        for (std::size_t k = 0; k < out.size(); ++k) {
          const Index column = from_top ? m - 1 - static_cast<Index>(k) : static_cast<Index>(k);
          for (Index i = 0; i < m; ++i) y[i] = t.vectors[i * m + column];
          out[k].vector.resize(d);
          kernels::gemv(kernels::Transpose::yes, m, d, 1, basis.data(), d, y.data(), 0, out[k].vector.data());
        }
      };
      fill(true, result.largest);
      fill(false, result.smallest);
    }
    break;
  }
  return result;
}

}  // namespace espalier
