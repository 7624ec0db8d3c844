#include "pruning/inverse/inverse.h"

#include <algorithm>

namespace espalier {
void FisherInverse::column(Index q, std::span<double> out) const {
  require(q >= 0 && q < size(), "[inverse] column {} of {}", q, size());
  std::vector<double> unit(size(), 0.0);
  unit[q] = 1;
  apply(unit, out);
}

std::vector<double> FisherInverse::submatrix(std::span<const Index> indices) const {
  std::vector<double> full(size()), result;
  for (const Index p : indices) {
    column(p, full);
    for (const Index q : indices) result.push_back(full[q]);
  }
  return result;
}

void FisherInverse::submatrices(std::span<const std::vector<Index>> sets,
                                const SubmatrixVisitor& visit) const {
  for (std::size_t i = 0; i < sets.size(); ++i) visit(i, submatrix(sets[i]));
}

namespace {

struct BuiltAnew final : InverseFamily {
  BuiltAnew(const InverseSettings& s, const GradientRows& r, std::span<const Range> l)
      : settings(s), rows(r), layers(l) {}
  std::unique_ptr<FisherInverse> at(double damp) override { return settings.build(rows, layers, damp); }
  const InverseSettings& settings;
  const GradientRows& rows;
  std::span<const Range> layers;
};

}  // namespace

std::unique_ptr<InverseFamily> InverseSettings::family(const GradientRows& rows,
                                                       std::span<const Range> layers) const {
  return std::make_unique<BuiltAnew>(*this, rows, layers);
}

std::vector<Range> cut_into_blocks(std::span<const Range> layers, Index size) {
  std::vector<Range> blocks;
  for (const Range layer : layers)
    for (Index begin = layer.begin; begin < layer.end; begin += size)
      blocks.push_back({begin, std::min(begin + size, layer.end)});
  return blocks;
}

}  // namespace espalier
