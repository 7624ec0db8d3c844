// flops.h: multiply-adds as a price: weights of layers that cost more go first.
#pragma once

#include <span>
#include <vector>

#include "pruning/choice/candidates.h"

namespace espalier {

/// Divides saliencies by (multiply-adds per weight of the layer)^exponent.
void weigh_by_flops(std::span<double> saliency, std::span<const LayerView> layers, double exponent);
/// The same with the costs of sets, each of which lies in one layer.
void weigh_by_flops(std::span<Candidate> candidates, std::span<const LayerView> layers, double exponent);

/// Share of the layers' multiply-adds that the removed weights took part in.
double share_of_macs(const std::vector<bool>& removed, std::span<const LayerView> layers);

}  // namespace espalier
