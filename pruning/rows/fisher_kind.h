// fisher_kind.h: which matrix stands for the curvature (mathematics.md section 2). Each is a mean of outer
// products of rows, G'G / N; the Hessian is none, but equals the exact Fisher within one layer.
#pragma once

#include <compare>
#include <string_view>
#include <variant>

namespace espalier {

enum class FisherKind {
  empirical,  ///< labels of the data: (1/N) sum g_n g_n'
  centred,    ///< the same around the mean: (1/N) sum (g_n - g)(g_n - g)', the gradients' covariance
  sampled,    ///< labels drawn from the model: an unbiased estimate of the true Fisher
  exact       ///< the true Fisher, exact over classes (= Gauss-Newton): classes - 1 rows an example
};

/// Second derivatives of the mean cross-entropy.
struct Hessian {
  friend auto operator<=>(Hessian, Hessian) = default;
};
using CurvatureKind = std::variant<Hessian, FisherKind>;

/// As configs and tables of curvature call it: "hessian", "empirical_fisher", "centred_fisher",
/// "monte_carlo_fisher" (sampled), "true_fisher" (exact).
std::string_view name_of(CurvatureKind kind);

}  // namespace espalier
