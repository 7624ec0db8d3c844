// export.h: `espalier export`, a network of a run as an ONNX model, as .npz or as safetensors, and `espalier predict --input`, numbers
// through a network: the two ways to hand a network to another program and to compare with it.
#pragma once

#include <string>

namespace espalier {

struct ExportCommandOptions {
  std::string run;                      ///< folder of a run, or a config
  std::string checkpoint;               ///< empty: the run's
  std::string map;                      ///< "theirs ours": the tensors go out under their names
  std::string output = "network.onnx";  ///< its end tells the format: .onnx, .npz or .safetensors
  std::string preprocessing;            ///< of ONNX: pixels as "uint8" or "float"; empty: normalised values
  bool keep_batch_norm = false, sparse = false, thin = false;
};
void export_command(const ExportCommandOptions& options);

/// Values float32 [n, c, h, w] of a .npy file through a network (folder of a run, config or .onnx file); what
/// its output is goes to another .npy file.
struct PredictArrayOptions {
  std::string network, checkpoint;
  std::string onnx_output;  ///< of an .onnx file with several
  std::string input, output = "logits.npy";
  int threads = 0;
};
void predict_array_command(const PredictArrayOptions& options);

}  // namespace espalier
