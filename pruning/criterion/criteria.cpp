// criteria.cpp: magnitude, diagonal Fisher, WoodFisher, WoodTaylor.
#include <cmath>

#include "pruning/criterion/criterion.h"

namespace espalier {
namespace {

struct Magnitude final : Criterion {
  void fields(Fields&) override {}
  bool needs_gradients() const override { return false; }
  void saliency(const QuadraticModel& m, std::span<double> out) const override {
    for (std::size_t q = 0; q < out.size(); ++q) out[q] = std::abs(m.w[q]);
  }
};

/// LeCun et al. 1990 with the empirical Fisher for the Hessian's diagonal, undamped. (The published baseline
/// adds 1e-4 to every saliency, which changes no ranking.)
struct DiagonalFisher final : Criterion {
  void fields(Fields&) override {}
  void saliency(const QuadraticModel& m, std::span<double> out) const override {
    const std::vector<double> f = fisher_diagonal(*m.rows);
    for (std::size_t q = 0; q < out.size(); ++q) out[q] = 0.5 * m.w[q] * m.w[q] * f[q];  // 1/2 F_qq w_q^2
  }
};

struct WoodFisher : Criterion {
  void fields(Fields&) override {}
  bool needs_inverse() const override { return true; }
  void saliency(const QuadraticModel& m, std::span<double> out) const override {
    const std::span<const double> diagonal = m.inverse().diagonal();
    for (std::size_t q = 0; q < out.size(); ++q) out[q] = m.rest(q) * m.rest(q) / (2 * diagonal[q]);
  }
};

struct WoodTaylor final : WoodFisher {
  bool uses_step() const override { return true; }
};

const bool criteria_known =
    Registry<Criterion>::add<Magnitude>("magnitude", "|w|: no curvature (F = I)") &&
    Registry<Criterion>::add<DiagonalFisher>(
        "diagonal_fisher", "1/2 F_qq w^2, Optimal Brain Damage with the empirical Fisher") &&
    Registry<Criterion>::add<WoodFisher>("woodfisher", "w^2 / (2 [F^-1]_qq), at a trained optimum") &&
    Registry<Criterion>::add<WoodTaylor>("woodtaylor",
                                         "(w - F^-1 g)^2 / (2 [F^-1]_qq), anywhere: also during training");

}  // namespace
}  // namespace espalier
