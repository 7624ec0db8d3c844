#include "pruning/pruner.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/gradient_matrix.h"

namespace espalier {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double pruned_share(const ParameterStore& store, const std::vector<ParameterId>& layers) {
  Index pruned = 0, weights = 0;
  for (const ParameterId id : layers) {
    const Range r = store.infos()[static_cast<std::size_t>(id)].range;
    weights += r.size();
    for (Index i = r.begin; i < r.end; ++i) pruned += store.mask()[static_cast<std::size_t>(i)] == 0;
  }
  return static_cast<double>(pruned) / static_cast<double>(std::max<Index>(weights, 1));
}

}  // namespace

}  // namespace espalier
