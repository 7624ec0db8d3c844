// small_network.h: a network with two convolutions, batch norm and a linear layer on synthetic images, small
// enough for dense references.
#pragma once

#include <memory>
#include <vector>

#include "framework/data/data_config.h"
#include "framework/data/examples.h"
#include "framework/nn/model.h"
#include "tests/support/pruning.h"

namespace espalier {

struct SmallNetwork {
  explicit SmallNetwork(const char* layers_json = R"([
      {"type": "conv", "name": "conv", "out": 5, "kernel": 3, "pad": 1}, "batch_norm", "relu", {"type": "max_pool", "kernel": 2},
      {"type": "conv", "name": "conv2", "out": 4, "kernel": 3, "stride": 2}, "relu", "flatten",
      {"type": "linear", "name": "fc", "out": 8}, "relu", {"type": "linear", "name": "fc2", "out": 3}])") {
    data =
        made<DataSettings>(
            R"({"type": "synthetic", "classes": 3, "train": 400, "test": 10, "height": 12, "width": 12, "channels": 2})")
            ->open();
    preprocessing = {12, 12, measure_normalization(data.train)};
    model = made<ModelSettings>(std::string(R"({"type": "sequential", "layers": )") + layers_json + "}")
                ->build({12, 12, 2}, 3, 1);
    for (std::size_t i = 0; i < model->store().infos().size(); ++i)
      if (model->store().infos()[i].role == Role::weight) layers.push_back(static_cast<ParameterId>(i));
  }
  ImageExamples examples(Index count) const {
    std::vector<Index> e;
    for (Index i = 0; i < count; ++i) e.push_back((i * 37) % data.train.size());
    return {data.train, preprocessing, e};
  }
  DataSource data;
  Preprocessing preprocessing;
  std::unique_ptr<Model> model;
  std::vector<ParameterId> layers;
};

/// All of G.
inline std::vector<double> all_of(const GradientRows& rows) {
  std::vector<double> g(rows.rows() * rows.cols());
  rows.load({0, rows.cols()}, g.data());
  return g;
}

}  // namespace espalier
