#include "pruning/choice/flops.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

double price(const LayerView& layer, double exponent) {
  return std::pow(std::max(layer.macs_per_weight, 1.0), exponent);
}

}  // namespace

void weigh_by_flops(std::span<double> saliency, std::span<const LayerView> layers, double exponent) {
  if (exponent == 0) return;
  for (const LayerView& layer : layers)
    for (Index q = layer.columns.begin; q < layer.columns.end; ++q) saliency[q] /= price(layer, exponent);
}

void weigh_by_flops(std::span<Candidate> candidates, std::span<const LayerView> layers, double exponent) {
  if (exponent == 0) return;
  for (Candidate& c : candidates)
    for (const LayerView& layer : layers)
      if (c.members.front() >= layer.columns.begin && c.members.front() < layer.columns.end)
        c.cost /= price(layer, exponent);
}

double share_of_macs(const std::vector<bool>& removed, std::span<const LayerView> layers) {
  double gone = 0, all = 0;
  for (const LayerView& layer : layers) {
    const auto count =
        std::count(removed.begin() + layer.columns.begin, removed.begin() + layer.columns.end, true);
    gone += layer.macs_per_weight * static_cast<double>(count);
    all += layer.macs_per_weight * static_cast<double>(layer.columns.size());
  }
  return gone / all;
}

}  // namespace espalier
