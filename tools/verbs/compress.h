// compress.h: `espalier compress`: from a pruned network to a small file that classifies pictures.
#pragma once

#include <string>
#include <vector>

namespace espalier {

struct CompressOptions {
  std::string input;                   ///< folder of a run, checkpoint, compact file or config
  std::string config;                  ///< --config: of a checkpoint that does not say its own
  std::vector<std::string> overrides;  ///< --set json.path=value
  std::string output;
  std::string values = "float32";  ///< or float16, int8
  bool thin = true, zstd = true, measure = true, quiet = false;
  int threads = 0;
};
void compress_command(const CompressOptions& options);

}  // namespace espalier
