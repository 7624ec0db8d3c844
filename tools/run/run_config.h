// run_config.h: a whole run as one JSON file: data, model, training, pruning.
#pragma once

#include <optional>
#include <string>

#include "framework/data/data_config.h"
#include "framework/nn/model.h"
#include "framework/train/trainer.h"
#include "pruning/step/prune_config.h"
#include "tools/run/curvature_config.h"
#include "tools/run/sweep_config.h"

namespace espalier {

/// What a recorded config adds so that its numbers can be repeated. Written into a run's config.json; when
/// such a config is run again, the data must have the same hash.
struct Provenance {
  std::string version, verb, data_hash, weights_hash;
  int threads = 0;
  void fields(Fields& f) {
    f("version", version, "of the program that wrote this config");
    f("verb", verb, "that made the run, for the record");
    f("data_hash", data_hash, "SHA-256 over the decoded images and labels; checked when not empty");
    f("weights_hash", weights_hash,
      "SHA-256 of the weights that sweep or curvature looked at, for the record");
    f("threads", threads, "threads it ran on, for the record: results do not depend on it", {.low = 0});
  }
};

struct RunConfig {
  std::string name = "run", output, checkpoint;
  std::uint64_t seed = 1;
  DataConfig data;
  Variant<ModelSettings> model;
  TrainSettings train;
  std::optional<PruneConfig> prune;
  std::optional<CurvatureConfig> curvature;
  std::optional<SweepConfig> sweep;
  Provenance provenance;

  void fields(Fields& f) {
    f("name", name, "names the run in reports and its folder");
    f("output", output, "folder of the run; empty: runs/<name>");
    f("seed", seed, "determines every random number of the run");
    f.object("data", data, "training and test images");
    f.required().variant("model", model, "the network");
    f("checkpoint", checkpoint, "safetensors file to start from; empty: fresh weights");
    f.object("train", train, "optimisation");
    f.optional_object("prune", prune, "pruning; absent: train a dense network");
    f.optional_object("curvature", curvature, "what `espalier curvature` looks at; other verbs ignore it");
    f.optional_object("sweep", sweep, "combinations for `espalier sweep`; other verbs ignore it");
    f.object("provenance", provenance, "what a recorded config was run with");
  }
};

}  // namespace espalier
