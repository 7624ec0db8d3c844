// onnx.cpp: the network of an ONNX file, as PyTorch and others export it, with its weights.
#include <algorithm>
#include <cstdio>

#include "framework/core/check.h"
#include "framework/interchange/onnx/import.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

struct OnnxSettings final : ModelSettings {
  std::string path, output;
  void fields(Fields& f) override {
    f("path", path, "the ONNX file; its weights are where training or pruning begins");
    f("output", output, "which of several outputs holds the logits; empty: there must be one");
    f.rule(!path.empty(), "\"path\" must name an ONNX file");
  }
  onnx::Imported import(const Shape& image) const {
    return onnx::import_model(onnx::read_model(path), {.output = output, .image = image});
  }
  Graph graph(const Shape& image, int) const override { return import(image).graph; }
  std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed,
                               bool new_head) const override {
    onnx::Imported imported = import(image);
    if (new_head) imported.graph = with_new_head(imported.graph, classes);
    for (const std::string& notice : imported.notices) fmt::print(stderr, "note: {}: {}\n", path, notice);
    auto model = std::make_unique<Model>(imported.graph, classes, seed);
    ParameterStore& store = model->store();
    for (const StatisticInfo& s : store.statistic_infos()) {
      const Tensor& values = imported.weights.at(s.name);
      std::copy(values.values().begin(), values.values().end(), store.statistics().begin() + s.range.begin);
    }
    return model;
  }
};

const bool onnx_known =
    Registry<ModelSettings>::add<OnnxSettings>("onnx", "the network of an ONNX file, with its weights");

}  // namespace
}  // namespace espalier
