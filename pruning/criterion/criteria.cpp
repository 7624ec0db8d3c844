// criteria.cpp: magnitude, diagonal Fisher, WoodFisher, WoodTaylor.
#include <algorithm>
#include <cmath>

#include "pruning/criterion/criterion.h"

namespace espalier {
namespace {

struct Magnitude final : Criterion {
  void fields(Fields&) override {}
  bool needs_gradients() const override { return false; }
  void score(const PruneState& s, std::span<double> score) const override {
    for (std::size_t q = 0; q < score.size(); ++q) score[q] = std::abs(s.w[q]);
  }
};

/// LeCun et al. 1990 with the empirical Fisher for the Hessian's diagonal, undamped. (The published baseline
/// adds 1e-4 to every score, which changes no ranking.)
struct DiagonalFisher final : Criterion {
  void fields(Fields&) override {}
  void score(const PruneState& s, std::span<double> score) const override {
    const Index n = s.rows->rows(), d = s.rows->cols();
    std::vector<double> g;
    for (Index first = 0; first < d; first += 512) {
      const Index width = std::min<Index>(512, d - first);
      g.resize(n * width);
      s.rows->load({first, first + width}, g.data());
      for (Index j = 0; j < width; ++j) {
        double sum = 0;
        for (Index m = 0; m < n; ++m) sum += g[m * width + j] * g[m * width + j];
        const auto q = static_cast<std::size_t>(first + j);
        score[q] = 0.5 * s.w[q] * s.w[q] * (n ? sum / static_cast<double>(n) : 0);  // 1/2 F_qq w_q^2
      }
    }
  }
};

struct WoodFisher : Criterion {
  void fields(Fields&) override {}
  bool needs_inverse() const override { return true; }
  void score(const PruneState& s, std::span<double> score) const override {
    const std::span<const double> diagonal = s.inverse->diagonal();
    for (std::size_t q = 0; q < score.size(); ++q) {
      const double r = s.w[q] - (s.step.empty() ? 0 : s.step[q]);
      score[q] = r * r / (2 * diagonal[q]);
    }
  }
};

struct WoodTaylor final : WoodFisher {
  bool uses_step() const override { return true; }
};

const bool known =
    Registry<Criterion>::add<Magnitude>("magnitude", "|w|: no curvature (F = I)") &&
    Registry<Criterion>::add<DiagonalFisher>(
        "diagonal_fisher", "1/2 F_qq w^2, Optimal Brain Damage with the empirical Fisher") &&
    Registry<Criterion>::add<WoodFisher>("woodfisher", "w^2 / (2 [F^-1]_qq), at a trained optimum") &&
    Registry<Criterion>::add<WoodTaylor>("woodtaylor",
                                         "(w - F^-1 g)^2 / (2 [F^-1]_qq), anywhere: also during training");

}  // namespace
}  // namespace espalier
