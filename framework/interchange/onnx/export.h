// export.h: a Graph and its Weights as an ONNX model that ONNX Runtime, OpenVINO and other programs run:
// opset 13, IR 7, images as [n, c, h, w], any number of examples at a time, parameters under their names.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/graph/graph.h"
#include "framework/graph/weights.h"

namespace espalier::onnx {

constexpr int export_opset = 13, export_ir = 7;

/// How pixels become the network's input: x = (pixel - mean) / std.
struct PixelNormalization {
  enum class Form {
    bytes,  ///< uint8 [n, h, w, c] of 0 to 255, as pictures are decoded; pixel = byte / 255
    floats  ///< float [n, c, h, w] of 0 to 1, as torchvision's ToTensor makes them
  };
  std::vector<double> mean, std;  ///< of each channel
  Form form = Form::bytes;
};

struct ExportOptions {
  bool keep_batch_norm = false;  ///< as nodes of their own; else folded into the convolutions before them
  bool sparse =
      false;  ///< weights of at least half zeros as sparse_initializer (not every program reads them)
  /// Given: the model's input is pixels, and its first nodes normalise them.
  std::optional<PixelNormalization> pixels = {};
  std::string ending = {};  ///< "Softmax" or "LogSoftmax" of the classes as the last node; empty: logits
  std::map<std::string, std::string> metadata = {};  ///< as metadata_props
};

/// The bytes of the file. Dropout is left out: an exported network only predicts. Throws Error(internal) for
/// an op that is not known here.
std::string export_model(const Graph& graph, const Weights& weights, const ExportOptions& options = {});

/// Writes it atomically. Throws Error(io).
void write_model(const std::filesystem::path& path, const Graph& graph, const Weights& weights,
                 const ExportOptions& options = {});

}  // namespace espalier::onnx
