// init.h: `espalier init`: a commented config to begin with, for a data set, a folder of pictures or a network file.
#pragma once

#include <string>

namespace espalier {

struct InitOptions {
  std::string file = "config.json";  ///< that is written
  std::string data;                  ///< a data set's name, or the folder of one; empty: asked for on a terminal
  std::string network;  ///< .onnx or checkpoint whose network and weights are the start; empty: fresh weights
  std::string model;    ///< empty: one that suits the data
  int epochs = 0;       ///< 0: one that suits
  double sparsity = 0.9;
  bool dense = false, overwrite = false;
};

/// Writes the config and says the next command. Throws Error(usage) if something is missing that can't be asked for, or
/// if the file is there; Error(data) if the folder is of no kind that is known.
void init_command(const InitOptions& options);

}  // namespace espalier
