// module.h: a part of a network: declares its parameters at construction and maps Var to Var. Modules hold no
// mode and no batch state; what differs from pass to pass travels in Pass.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/nn/packed_weights.h"
#include "framework/nn/parameters.h"
#include "framework/ops/ops.h"

namespace espalier {

/// What one layer costs, collected by a pass that asks for it.
struct LayerCost {
  ParameterId weight;
  Index macs;            ///< multiply-adds per example
  Shape output;          ///< of one example
  Conv2dSpec spec = {};  ///< of a convolution
};

struct Pass {
  bool training = false;          ///< dropout active, batch norm with the statistics of the batch
  std::uint64_t dropout_key = 0;  ///< a function of seed and step; each dropout layer derives its own from it
  double statistics_momentum = 0.1;  ///< share of the batch in the running statistics (PyTorch's momentum)
  std::vector<LayerCost>* costs = nullptr;
  PackedWeights* packed = nullptr;  ///< of earlier passes with the same weights; not used while recording
};

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual Var forward(const Var& x, Pass& pass) const = 0;
  /// Takes over a ReLU that follows, if the layer's kernel can apply it in the same pass. True if it did.
  virtual bool absorb_relu() { return false; }
};
using ModulePtr = std::unique_ptr<Module>;

/// Modules in a row. A ReLU is merged into the layer before it where that layer can absorb it.
class Sequential final : public Module {
 public:
  Sequential& add(ModulePtr module);
  template <class Layer, class... Args>
  Sequential& add(Args&&... args) {
    return add(std::make_unique<Layer>(std::forward<Args>(args)...));
  }
  Var forward(const Var& x, Pass& pass) const override;
  bool empty() const { return modules_.empty(); }

 private:
  std::vector<ModulePtr> modules_;
};

}  // namespace espalier
