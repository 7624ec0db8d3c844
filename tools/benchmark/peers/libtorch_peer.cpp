// libtorch_peer.cpp: PyTorch from C++ for tools/compare_with_pytorch, so that small networks are not compared with
// the cost of Python. Training and inference in the rows of `espalier benchmark`, with its clock
// (tools/benchmark/benchmark_measure.cpp). Built on demand by the script; no part of Espalier.
//   libtorch_peer JOB MODEL THREADS BATCH[,BATCH...] SECONDS REPETITIONS
#include <torch/torch.h>

#include <cstdio>
#include <sstream>

#include "tools/benchmark/benchmark_measure.h"

namespace {

using torch::Tensor;
using namespace torch::nn;

Conv2d conv(int in, int out, int kernel, int stride, bool bias) {
  return Conv2d(Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(bias));
}

Sequential cifarnet() {
  return Sequential(conv(3, 32, 5, 1, true), MaxPool2d(MaxPool2dOptions(3).stride(2)), ReLU(),
                    conv(32, 32, 5, 1, true), ReLU(), AvgPool2d(AvgPool2dOptions(3).stride(2)),
                    conv(32, 64, 5, 1, true), ReLU(), AvgPool2d(AvgPool2dOptions(3).stride(2)), Flatten(),
                    Linear(576, 64), ReLU(), Linear(64, 10));
}

struct ResidualImpl : Module {
  Sequential body, shortcut;
  bool projects;
  ResidualImpl(int in, int out, int stride)
      : body(conv(in, out, 3, stride, false), BatchNorm2d(out), ReLU(ReLUOptions(true)), conv(out, out, 3, 1, false),
             BatchNorm2d(out)),
        projects(stride != 1 || in != out) {
    register_module("body", body);
    if (projects) shortcut = Sequential(conv(in, out, 1, stride, false), BatchNorm2d(out));
    if (projects) register_module("shortcut", shortcut);
  }
  Tensor forward(Tensor x) { return torch::relu(body->forward(x) + (projects ? shortcut->forward(x) : x)); }
};
TORCH_MODULE(Residual);

Sequential resnet20() {
  Sequential net(conv(3, 16, 3, 1, false), BatchNorm2d(16), ReLU(ReLUOptions(true)));
  int width = 16;
  for (const int channels : {16, 32, 64})
    for (int block = 0; block < 3; ++block) {
      net->push_back(Residual(width, channels, channels > width ? 2 : 1));
      width = channels;
    }
  net->push_back(AdaptiveAvgPool2d(AdaptiveAvgPool2dOptions(1)));
  net->push_back(Flatten());
  net->push_back(Linear(64, 10));
  return net;
}

Sequential mlpnet(int inputs) {
  return Sequential(Flatten(), Linear(LinearOptions(inputs, 40).bias(false)), ReLU(),
                    Linear(LinearOptions(40, 20).bias(false)), ReLU(), Linear(LinearOptions(20, 10).bias(false)));
}

Sequential make(const std::string& name) {
  if (name == "cifarnet") return cifarnet();
  if (name == "resnet20") return resnet20();
  return mlpnet(name == "mlpnet_mnist" ? 784 : 3072);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: libtorch_peer JOB MODEL THREADS BATCHES SECONDS REPETITIONS\n");
    return 2;
  }
  const std::string job = argv[1], model = argv[2];
  const int threads = std::stoi(argv[3]);
  espalier::BenchmarkOptions options;
  options.seconds = std::stod(argv[5]);
  options.repetitions = std::stoi(argv[6]);
  espalier::raise_priority();
  at::set_num_threads(threads);
  at::globalContext().setFlushDenormal(true);
  torch::manual_seed(1);
  std::istringstream batches(argv[4]);
  for (std::string field; std::getline(batches, field, ',');)
    for (const bool channels_last : {false, true}) {
      const int batch = std::stoi(field);
      const bool image = model.rfind("mlpnet", 0) != 0;
      if (channels_last && !image) continue;
      Sequential net = make(model);
      Tensor x = model == "mlpnet_mnist" ? torch::randn({batch, 1, 28, 28}) : torch::randn({batch, 3, 32, 32});
      const Tensor y = torch::randint(0, 10, {batch}, torch::kLong);
      if (channels_last) {
        x = x.contiguous(at::MemoryFormat::ChannelsLast);
        for (Tensor& p : net->parameters())
          if (p.dim() == 4) p.set_data(p.contiguous(at::MemoryFormat::ChannelsLast));
      }
      const espalier::RowKey key{job, model, channels_last ? "libtorch,channels_last" : "libtorch,nchw", threads, batch};
      if (job == "train") {
        torch::optim::SGD sgd(net->parameters(), torch::optim::SGDOptions(1e-3).momentum(0.9).weight_decay(1e-4));
        net->train();
        espalier::print_rate(key, "images/s", batch, espalier::time_calls(options, threads, [&] {
                               sgd.zero_grad();
                               torch::nn::functional::cross_entropy(net->forward(x), y).backward();
                               sgd.step();
                             }));
      } else {
        net->eval();
        const c10::InferenceMode guard;
        espalier::print_rate(key, "images/s", batch,
                             espalier::time_calls(options, threads, [&] { net->forward(x); }));
      }
    }
}
