// network_file.h: a network in one file that needs nothing else: its graph, its weights, and what it was
// trained for. `espalier compress` writes them.
#pragma once

#include <filesystem>

#include "framework/data/image_task.h"
#include "framework/graph/graph.h"
#include "framework/graph/weights.h"
#include "framework/io/compact/weights_file.h"

namespace espalier {

struct NetworkFile {
  Graph graph;
  Weights weights;
  Weights masks;  ///< 0 and 1, of the parameters of which some are pruned
  ImageTask task;
};

/// Metadata of weights that describe their network: a "model" section of a config, and an ImageTask.
constexpr const char *model_key = "model", *task_key = "task";

/// Throws Error(checkpoint) if the file is damaged, does not describe its network (a checkpoint), or
/// contradicts itself.
NetworkFile read_network_file(const std::filesystem::path& path);
/// The same of a file that has been read; `path` is for messages.
NetworkFile network_of(const WeightsFile& file, const std::filesystem::path& path);
/// Tensors in the order of the graph, and the two descriptions.
WeightsFile weights_file_of(const NetworkFile& network);

/// The tensors of `graph` out of a file, with their masks. Throws Error(checkpoint) that lists what is
/// missing and what has another shape.
std::pair<Weights, Weights> tensors_of(const Graph& graph, const WeightsFile& file,
                                       const std::filesystem::path& path);

}  // namespace espalier
