// benchmark.h: `espalier benchmark`: how fast this program is on this machine. Needs no data: images are
// random bytes (but for the fisher job with a config, whose gradients are a trained network's). It measures
// what users run (the trainer's step, fill_rows, FisherInverse), never a special path. What it is
// compared with: tools/compare_with_pytorch.
#pragma once

#include <string>
#include <vector>

namespace espalier {

struct BenchmarkOptions {
  std::vector<std::string> jobs{"train", "infer", "pergrad", "fisher", "data", "conv"};
  std::vector<std::string> models{"cifarnet", "resnet20", "mlpnet_mnist"};
  std::vector<int> threads{1, 2}, batches{64, 128, 256};
  std::vector<int> gradients{400, 1000};          ///< N of the fisher job
  std::vector<int> block_sizes{500, 1000, 2000};  ///< its c
  /// The fisher, sparse and pictures jobs with this config's network, data and checkpoint;
  /// empty: fresh weights, random images.
  std::string config;
  bool recompute = false;  ///< training steps that compute activations again in the reverse pass
  int repetitions = 7;
  double seconds = 0.3;  ///< least duration of a repetition
};

/// Prints tab-separated rows under the header `job model variant threads batch unit median min max reps
/// note`. Throws Error(usage) on unknown jobs and models.
void benchmark_command(const BenchmarkOptions& options);

}  // namespace espalier
