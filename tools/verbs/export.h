// export.h: `espalier export`, a network of a run as an ONNX model, as .npz or as safetensors, to hand it to another
// program.
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

}  // namespace espalier
