#include "tools/verbs/predict_array.h"

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/graph/builder.h"
#include "framework/infer/engine.h"
#include "framework/interchange/onnx/import.h"
#include "framework/io/file_kind.h"
#include "framework/io/npz.h"
#include "tools/verbs/subject.h"

namespace espalier {
namespace {

struct Network {
  Graph graph;
  Weights weights;
};

/// `image`: extents of one example of the input, if it has them.
Network read_network(const PredictOptions& o, const Shape& image) {
  if (kind_of_file(o.network) == FileKind::onnx) {
    onnx::Imported net =
        onnx::import_model(onnx::read_model(o.network), {.output = o.onnx_output, .image = image});
    for (const std::string& notice : net.notices) fmt::print(stderr, "note: {}: {}\n", o.network, notice);
    return {std::move(net.graph), std::move(net.weights)};
  }
  NetworkFile net = network_of(find_subject(o.network, {}, {}, o.checkpoint), nullptr);
  return {std::move(net.graph), std::move(net.weights)};
}

StoredTensor read_input(const std::string& path) {
  StoredTensor input = read_npy(path);
  if (input.dtype != DType::f32)
    fail(
        ExitCode::data,
        "{}: holds {}; it must be float32: numbers as the network sees them, normalised, not pixels. In Python: "
        "numpy.save(\"{}\", x.astype(numpy.float32))",
        path, name_of(input.dtype), path);
  const auto& s = input.shape;
  if ((s.size() != 2 && s.size() != 4) || s[0] < 1)
    fail(ExitCode::data,
         "{}: has the shape ({}); it must be [n, channels, height, width] or [n, features], n at least 1",
         path, fmt::join(s, ", "));
  return input;
}

/// The network for inputs of this shape, which may be others in height and width than it was made for.
void settle_extents(Network& net, const StoredTensor& input, const std::string& path) {
  const auto& s = input.shape;
  const Shape own = net.graph.shape(net.graph.input);
  const auto refuse = [&](const std::string& why) {
    fail(ExitCode::data, "{}: has the shape ({}), which the network does not take: {}", path,
         fmt::join(s, ", "), why);
  };
  if (own.rank() != 3) {
    if (s.size() != 2 || s[1] != own[0]) refuse(fmt::format("it takes [n, {}]", own[0]));
    return;
  }
  const std::string wanted =
      fmt::format("it takes [n, {}, {}, {}] (n, channels, height, width)", own[2], own[0], own[1]);
  if (s.size() != 4) refuse(wanted);
  if (s[1] != own[2])
    refuse(wanted +
           (s[3] == own[2]
                ? "; the channels seem to come last: numpy.ascontiguousarray(x.transpose(0, 3, 1, 2)) "
                  "puts them where they belong"
                : ""));
  const Shape image{s[2], s[3], s[1]};
  if (image == own) return;
  try {
    net.graph = for_input(net.graph, image);
  } catch (const Error& e) {
    if (e.code() != ExitCode::config) throw;
    refuse(fmt::format("{}; other heights and widths do not fit: {}", wanted, e.what()));
  }
}

}  // namespace

void predict_array(const PredictOptions& o) {
  const StoredTensor input = read_input(o.input);
  const auto& s = input.shape;
  Network net = read_network(o, s.size() == 4 ? Shape{s[2], s[3], s[1]} : Shape());
  settle_extents(net, input, o.input);
  const std::vector<float> values = to_floats(input);
  const Shape& own = net.graph.shape(net.graph.input);
  const Index pixels = own.rank() == 3 ? own[0] * own[1] : 1, channels = own[-1];
  require_memory(static_cast<double>(values.size()) * sizeof(Real), o.input);
  Tensor x =
      Tensor::uninitialized(own.rank() == 3 ? Shape{s[0], own[0], own[1], own[2]} : Shape{s[0], own[0]});
  for (Index n = 0; n < s[0]; ++n)
    for (Index c = 0; c < channels; ++c)
      for (Index p = 0; p < pixels; ++p)
        x.data()[(n * pixels + p) * channels + c] = values[(n * channels + c) * pixels + p];
  const Tensor y = Engine(net.graph, net.weights)(x);
  NpyArray out{"logits", {}, std::vector<float>(y.values().size())};
  const Shape& ys = y.shape();
  const Index out_pixels = ys.rank() == 4 ? ys[1] * ys[2] : 1, out_channels = ys[-1];
  out.shape =
      ys.rank() == 4 ? std::vector<Index>{ys[0], ys[3], ys[1], ys[2]} : std::vector<Index>{ys[0], ys[1]};
  for (Index n = 0; n < ys[0]; ++n)
    for (Index p = 0; p < out_pixels; ++p)
      for (Index c = 0; c < out_channels; ++c)
        out.values[(n * out_channels + c) * out_pixels + p] =
            y.data()[(n * out_pixels + p) * out_channels + c];
  write_npy(o.output, out);
  fmt::print("{}: {} examples through {} steps: [{}]\n", o.output, s[0], net.graph.steps.size(),
             fmt::join(out.shape, ", "));
}

}  // namespace espalier
