// fisher_by_hand.cpp: WoodFisher without its framework: rows of G, the inverse of F = lambda I + 1/N G'G, saliencies,
// and the move of all other weights when one is removed.
#include <algorithm>
#include <cstdio>

#include "pruning/step/prune.h"

using namespace espalier;

int main() try {
  DataConfig from;
  from.source.choose("synthetic");
  const LoadedData data = open_data(from);
  Variant<ModelSettings> lenet;
  lenet.choose("lenet");
  const auto model = lenet->build({16, 16, 3}, 10, 1);

  PruneConfig config;
  config.num_grads = 100;
  PruningSite site(*model, data, config, {.seed = 1});
  site.gather_gradients(false);
  const NetworkRows& G = site.rows();  // 100 rows, one gradient each; a column for every weight
  std::printf("G: %lld x %lld\n", static_cast<long long>(G.rows()), static_cast<long long>(G.cols()));

  Variant<InverseSettings> blocks;
  blocks.choose("block");
  const double damp = 1e-4;  // lambda
  const auto inverse = blocks->build(G, site.layers().columns, damp);
  const std::span<const double> diagonal = inverse->diagonal(), w = site.data().w;

  std::vector<double> saliency(w.size());
  for (std::size_t q = 0; q < w.size(); ++q)
    saliency[q] = w[q] * w[q] / (2 * diagonal[q]);  // WoodFisher, eq. (5)
  const auto q = std::min_element(saliency.begin(), saliency.end()) - saliency.begin();

  std::vector<double> delta(w.size());  // -w_q / [F^-1]_qq times column q of F^-1: eq. (6)
  inverse->column(q, delta);
  for (double& d : delta) d *= -w[q] / diagonal[q];
  const double before = site.loss(), after = site.trial().loss(delta);
  std::printf("weight %lld goes first: saliency %.2e, measured loss change %.2e\n", static_cast<long long>(q),
              saliency[q], after - before);
} catch (const std::exception& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
