// sparse_engine.h: an engine that leaves out pruned weights where that is faster on this machine. Stretches of the
// graph run by the weights kept, with images innermost (blocked_program.h), linear layers by the weights kept; the
// rest by the engine's dense kernels. What is faster is measured when the engine is made, for single images and for
// batches, and can be given instead: then results have the same bits on every run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/infer/engine.h"

namespace espalier {

/// Which steps of a folded graph are sparse, by their names.
struct SparsePlan {
  struct Part {
    std::string first, last;  ///< steps of a stretch
    bool operator==(const Part&) const = default;
  };
  struct Side {
    Index images = 1;  ///< that share a vector's lanes in the stretches
    std::vector<Part> stretches;
    std::vector<std::string> linear;  ///< layers
    bool operator==(const Side&) const = default;
  };
  Side few, many;  ///< few: a batch of less than `many_from`
  Index many_from = 8;
  bool operator==(const SparsePlan&) const = default;
};
/// As JSON, and back. Throws Error(config) that names the key.
std::string text_of(const SparsePlan& plan);
SparsePlan sparse_plan_of(const std::string& text, const std::string& source);

/// What was measured of a step, microseconds an image on this machine; infinite where a way does not exist.
struct StepTimes {
  std::string step;
  double density;  ///< of its weights; 1 for steps without
  struct Ways {
    double dense, sparse;
    bool chosen;  ///< sparse
  } one, batch;
};

class SparseEngine {
 public:
  struct Settings {
    std::optional<SparsePlan> plan;  ///< none: measured; once in a process for the same network and masks
    Index batch = 64;                ///< what the plan for many is measured for
  };
  SparseEngine(const Graph& graph, const Weights& weights, const Settings& settings);
  SparseEngine(const Graph& graph, const Weights& weights) : SparseEngine(graph, weights, Settings()) {}
  /// As Engine::run; safe to call from several threads.
  void run(const Tensor& input, std::span<Tensor> outputs) const;
  void run(const Tensor& input, Tensor& output) const { run(input, std::span(&output, 1)); }

  const SparsePlan& plan() const { return plan_; }
  /// Empty if the plan was given.
  const std::vector<StepTimes>& times() const { return times_; }

 private:
  std::vector<StepTimes> times_;
  SparsePlan plan_;
  std::shared_ptr<const Engine> few_, many_;  ///< the same one where both are dense
};

}  // namespace espalier
