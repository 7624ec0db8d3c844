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
  std::string version, verb, data_hash, test_hash, weights_hash, instruction_set;
  int threads = 0;
  void fields(Fields& f) {
    f("version", version, "of the program that wrote this config");
    f("verb", verb, "that made the run, for the record");
    f("data_hash", data_hash, "SHA-256 over the decoded images and labels; checked when not empty");
    f("test_hash", test_hash, "the same over the test images alone; checked where only these are read");
    f("instruction_set", instruction_set,
      "instruction sets of the processor that computed it, in order; results of different ones differ in the last "
      "digits");
    f("weights_hash", weights_hash,
      "SHA-256 of the weights that sweep or curvature looked at, for the record");
    f("threads", threads, "threads it ran on, for the record: results do not depend on it", {.low = 0});
  }
};

/// Which weights of the network a run starts from are pruned.
enum class InitialMasks {
  recorded,  ///< those whose mask in the file is 0
  zeros      ///< all weights that are zero there
};

/// The file whose weights a run starts from.
struct CheckpointSettings {
  std::string path = {}, map = {};
  bool partial = false;
  InitialMasks masks = InitialMasks::recorded;

  bool empty() const { return path.empty(); }
  void fields(Fields& f) {
    f.path("path", path, "safetensors, .pt, .pth, .npz or compact file to start from; empty: fresh weights");
    f("partial", partial,
      "layers of which a tensor is missing or of another shape start fresh, and are listed; false: that is an error");
    f.one_of(
        "masks", masks, {{"recorded", InitialMasks::recorded}, {"zeros", InitialMasks::zeros}},
        "which of its weights are pruned, and stay zero: recorded: as its masks say; zeros: every weight that is "
        "zero, as in files without masks");
    f.path("map", map,
      "file of lines \"theirs ours\" that rename its tensors (framework/interchange/README.md); empty: none");
    f.rule(!path.empty() || (!partial && map.empty()),
           "\"partial\" and \"map\" are of a file, which \"path\" must name");
  }
};

/// What a pruned network is held against.
enum class Baseline {
  none,
  equal_budget  ///< the same network trained as long without pruning: what sparsity costs, all else equal
};

struct RunConfig {
  std::string name = "run", output;
  CheckpointSettings checkpoint;
  bool new_head = false;
  std::uint64_t seed = 1;
  InitialMasks masks = InitialMasks::recorded;
  Baseline baseline = Baseline::none;
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
    f.object_or_string("checkpoint", checkpoint, "path",
                       "file whose weights the run starts from; empty: fresh weights");
    f("new_head", new_head,
      "the classifier starts fresh with an output for each class of the data, whatever the checkpoint's or the model's "
      "own has; all other layers start from there");
    f.one_of(
        "masks", masks, {{"recorded", InitialMasks::recorded}, {"zeros", InitialMasks::zeros}},
        "the same of the weights that the run starts from wherever they come from, an ONNX file too: recorded, or "
        "zeros: every weight that is zero is pruned");
    f.object("train", train, "optimisation");
    f.optional_object("prune", prune, "pruning; absent: train a dense network");
    f.one_of("baseline", baseline, {{"none", Baseline::none}, {"equal_budget", Baseline::equal_budget}},
             "equal_budget: `espalier prune` also trains the network as long without pruning, from the same seed or "
             "checkpoint, and says the price of sparsity; it lies in the run's folder baseline/ and stays while only "
             "\"prune\" changes");
    f.optional_object("curvature", curvature, "what `espalier curvature` looks at; other verbs ignore it");
    f.optional_object("sweep", sweep, "combinations for `espalier sweep`; other verbs ignore it");
    f.object("provenance", provenance, "what a recorded config was run with");
  }
};

}  // namespace espalier
