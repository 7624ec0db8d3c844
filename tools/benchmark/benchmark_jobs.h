// benchmark_jobs.h: the jobs of `espalier benchmark`, and the networks and images they share.
#pragma once

#include <memory>
#include <optional>

#include "framework/data/preprocess.h"
#include "framework/kernels/conv2d.h"
#include "framework/nn/model.h"
#include "framework/train/optimizer.h"
#include "framework/train/recompute.h"
#include "tools/benchmark/benchmark_measure.h"

namespace espalier {

/// Networks as published, in the names of the peers: cifarnet, resnet20,
/// mlpnet_mnist (28x28x1), mlpnet_cifar. Or the path of an ONNX file, whose network gets fresh statistics.
const std::vector<std::string>& benchmark_models();
bool is_onnx(const std::string& name);
/// As it stands in rows: "resnet18" of "nets/resnet18.onnx".
std::string short_name(const std::string& name);
std::unique_ptr<Model> benchmark_model(const std::string& name);

/// `count` images of random bytes that suit the model, labels 0 to 9 in turn.
ImageSet random_images(const Model& model, Index count);
Preprocessing plain(const Model& model);

/// Training steps on random images: what Trainer::train_step does, without its bookkeeping.
class StepLoop {
 public:
  StepLoop(Model& model, int batch_size, bool recompute = false);
  void step();

 private:
  Model& model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Recomputation> recomputation_;
  std::vector<Batch> batches_;
  std::size_t next_ = 0;
};

void benchmark_train(const BenchmarkOptions& options, const std::string& model, int threads);
void benchmark_infer(const BenchmarkOptions& options, const std::string& model, int threads);
void benchmark_pergrad(const BenchmarkOptions& options, const std::string& model, int threads);
/// Inverse of the Fisher and whole pruning steps, beside the paper's recursion on OpenBLAS.
void benchmark_fisher(const BenchmarkOptions& options, const std::string& model, int threads);
/// Augmented images a second, and a whole epoch against its steps alone.
void benchmark_data(const BenchmarkOptions& options, const std::string& model, int threads);
/// Pictures of a config's data a second, beside the training steps of its network.
void benchmark_pictures(const BenchmarkOptions& options, const std::string& model, int threads);
/// From starting the program to the first thing it could do, without data.
void benchmark_startup(const BenchmarkOptions& options);
/// Sparse kernels and engine beside the dense ones, at several sparsities.
void benchmark_sparse(const BenchmarkOptions& options, const std::string& model, int threads);
/// Convolutions of a network, each geometry once; none of a fully connected one.
std::vector<ConvGeometry> benchmark_layers(const std::string& model);
/// The three convolutions of every layer, beside the machine's matrix product.
void benchmark_conv(const BenchmarkOptions& options, const std::string& model, int threads);

}  // namespace espalier
