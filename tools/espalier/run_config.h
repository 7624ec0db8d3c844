// run_config.h: a whole run as one JSON file: data, model, training, pruning.
#pragma once

#include <optional>
#include <string>

#include "framework/data/data_config.h"
#include "framework/nn/model.h"
#include "framework/train/trainer.h"
#include "pruning/prune_config.h"

namespace espalier {

struct RunConfig {
  std::string name = "run", output, checkpoint;
  std::uint64_t seed = 1;
  DataConfig data;
  Choice<ModelSettings> model;
  TrainSettings train;
  std::optional<PruneConfig> prune;

  void fields(Fields& f) {
    f("name", name, "names the run in reports and its folder");
    f("output", output, "folder of the run; empty: runs/<name>");
    f("seed", seed, "determines every random number of the run");
    f.object("data", data, "training and test images");
    f.required().variant("model", model, "the network");
    f("checkpoint", checkpoint, "safetensors file to start from; empty: fresh weights");
    f.object("train", train, "optimisation");
    f.optional_object("prune", prune, "pruning; absent: train a dense network");
  }
};

}  // namespace espalier
