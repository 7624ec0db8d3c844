// import.h: an ONNX model becomes a Graph and its Weights: an image classifier of anybody trains, prunes and
// exports like ours. Which ops: README.md beside this file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/graph/graph.h"
#include "framework/graph/weights.h"
#include "framework/interchange/onnx/proto.h"

namespace espalier::onnx {

struct ImportOptions {
  std::string output = {};  ///< which of several outputs; empty: there must be one
  Shape image = {};         ///< {h, w, c} where the model leaves its input's size open; rank 0: it must not
};

struct Imported {
  Graph graph;              ///< parameters carry their values as initialisers, so a Model starts with them
  Weights weights;          ///< parameters and statistics
  std::string ending = {};  ///< "Softmax" or "LogSoftmax" that the model ends in and the graph does without
  std::vector<std::string> notices = {};  ///< what was dropped, folded or converted; one sentence each
};

/// The graph's input and output have the model's names. Steps are named after their weights ("layer1.0.conv1" of "layer1.0.conv1.weight") or else after their
/// nodes. Throws Error(checkpoint) naming file, node, op and attribute, and what is supported.
Imported import_model(const ModelProto& model, const ImportOptions& options = {});

}  // namespace espalier::onnx
