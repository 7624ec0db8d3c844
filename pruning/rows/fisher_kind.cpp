#include "pruning/rows/fisher_kind.h"

namespace espalier {

std::string_view name_of(CurvatureKind kind) {
  if (std::holds_alternative<Hessian>(kind)) return "hessian";
  switch (std::get<FisherKind>(kind)) {
    case FisherKind::empirical:
      return "empirical_fisher";
    case FisherKind::centred:
      return "centred_fisher";
    case FisherKind::sampled:
      return "monte_carlo_fisher";
    case FisherKind::exact:
      return "true_fisher";
  }
  return "";
}

}  // namespace espalier
