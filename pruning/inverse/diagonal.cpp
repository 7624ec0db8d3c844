// diagonal.cpp: F taken as diagonal (OBD): F_qq = damp + mean_n g_nq^2.
#include "pruning/inverse/inverse.h"

namespace espalier {
namespace {

class DiagonalInverse final : public FisherInverse {
 public:
  DiagonalInverse(const GradientRows& rows, double damp) : diagonal_(fisher_diagonal(rows)) {
    for (double& f : diagonal_) f = 1 / (damp + f);
  }
  Index size() const override { return static_cast<Index>(diagonal_.size()); }
  std::span<const double> diagonal() const override { return diagonal_; }
  void apply(std::span<const double> v, std::span<double> out) const override {
    for (std::size_t q = 0; q < diagonal_.size(); ++q) out[q] = diagonal_[q] * v[q];
  }

 private:
  std::vector<double> diagonal_;
};

struct DiagonalSettings final : InverseSettings {
  void fields(Fields&) override {}
  bool off_diagonal() const override { return false; }
  std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range>,
                                       double damp) const override {
    if (!(damp > 0)) fail(ExitCode::config, "prune.damp is {:g}; it must be greater than 0", damp);
    return std::make_unique<DiagonalInverse>(rows, damp);
  }
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return cut_into_blocks(layers, 1);
  }
  double memory(Index rows, std::span<const Range> layers) const override {
    return layers.empty() ? 0 : 8.0 * static_cast<double>(layers.back().end + 1024 * rows);
  }
};

const bool diagonal_known =
    Registry<InverseSettings>::add<DiagonalSettings>("diagonal", "the diagonal of the Fisher (OBD)");

}  // namespace
}  // namespace espalier
