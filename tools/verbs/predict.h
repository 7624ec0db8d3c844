// predict.h: `espalier predict`: pictures through a network, to their classes; or numbers, as they are, to what the
// network makes of them, to compare with another program.
#pragma once

#include <string>
#include <vector>

namespace espalier {

struct PredictOptions {
  std::string
      network;  ///< folder of a run, config, checkpoint or compact file; for arrays also an .onnx file
  std::string checkpoint;  ///< empty: the run's
  int threads = 0;
  // pictures
  std::vector<std::string> pictures;
  int top = 3;
  bool json = false;
  // arrays
  std::string input;  ///< .npy file of float32 [n, c, h, w] or [n, features]; empty: pictures
  std::string output = "logits.npy";
  std::string onnx_output;  ///< of an .onnx file with several
};
void predict_command(const PredictOptions& options);

}  // namespace espalier
