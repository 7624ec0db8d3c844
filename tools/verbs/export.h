// export.h: `espalier export`, a network of a run as an ONNX model, to hand it to another program.
#pragma once

#include <string>

namespace espalier {

struct ExportCommandOptions {
  std::string run;         ///< folder of a run, or a config
  std::string checkpoint;  ///< empty: the run's
  std::string output = "network.onnx";
  bool keep_batch_norm = false, sparse = false, preprocessing = false;
};
void export_command(const ExportCommandOptions& options);

}  // namespace espalier
