// The tests that ONNX has of itself (Debian: libonnx-testdata): a model, an input, the output it must give.
// Each passes or is refused with a reason; which is which stands in onnx_node_tests.txt beside this file, written by
//     ESPALIER_WRITE_TABLES=1 build/release/tests/test_interchange --gtest_filter='OnnxNodeTests*'
// A test's weights are inputs there; here they become initialisers. What is inputs side by side (of Add, Concat, ...)
// comes out of one input by a Split. A Softmax at the end is computed by the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "framework/infer/engine.h"
#include "framework/interchange/onnx/import.h"
#include "framework/interchange/onnx/importer.h"
#include "paths.h"
#include "tests/support/external.h"

namespace espalier::onnx {
namespace {

namespace fs = std::filesystem;

const fs::path data = "/usr/share/libonnx-testdata/data";

TensorProto proto_of(const StoredTensor& t, const std::string& name) {
  TensorProto p;
  p.name = name;
  p.dims = t.shape;
  p.data_type = t.dtype == DType::i64       ? INT64
                : t.dtype == DType::f64     ? DOUBLE
                : t.dtype == DType::boolean ? BOOL
                                            : FLOAT;
  p.has_raw_data = true;
  p.raw_data = {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()};
  return p;
}

/// Of ops that combine values: their inputs become parts of one input, which a Split takes apart.
bool combines(const ModelProto& m, const std::vector<StoredTensor>& inputs) {
  static const std::set<std::string> ops{"Concat", "Add", "Sum", "Mul"};
  if (m.graph.node.size() != 1 || !ops.contains(m.graph.node[0].op_type) || inputs.size() < 2) return false;
  return std::all_of(inputs.begin(), inputs.end(), [&](const StoredTensor& t) {
    return t.shape == inputs[0].shape && t.shape.size() >= 2 && t.dtype == DType::f32;
  });
}

StoredTensor side_by_side(ModelProto& m, const std::vector<StoredTensor>& inputs) {
  StoredTensor all{"all", DType::f32, inputs[0].shape, {}};
  const std::size_t rows = inputs[0].shape[0], bytes = inputs[0].bytes.size() / rows;
  all.shape[1] *= static_cast<std::int64_t>(inputs.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (const StoredTensor& t : inputs)
      all.bytes.insert(all.bytes.end(), t.bytes.begin() + r * bytes, t.bytes.begin() + (r + 1) * bytes);
  NodeProto split;
  split.op_type = "Split";
  split.input = {"all"};
  for (std::size_t i = 0; i < inputs.size(); ++i) split.output.push_back(m.graph.node[0].input[i]);
  AttributeProto axis;
  axis.name = "axis";
  axis.type = AttributeProto::INT;
  axis.i = 1;
  split.attribute.push_back(axis);
  m.graph.node.insert(m.graph.node.begin(), split);
  ValueInfoProto x = m.graph.input[0];
  x.name = "all";
  x.shape[1].value = all.shape[1];
  m.graph.input = {x};
  return all;
}

/// {n, h, w, c} as [n, c, h, w].
std::vector<float> channels_first(const Tensor& t) {
  std::vector<float> out(t.values().begin(), t.values().end());
  if (t.shape().rank() != 4) return out;
  const Index n = t.shape()[0], pixels = t.shape()[1] * t.shape()[2], channels = t.shape()[3];
  for (Index e = 0; e < n; ++e)
    for (Index p = 0; p < pixels; ++p)
      for (Index c = 0; c < channels; ++c)
        out[(e * channels + c) * pixels + p] = t.data()[(e * pixels + p) * channels + c];
  return out;
}

/// What a network ends in and our graph does without.
std::vector<float> with_ending(std::vector<float> logits, Index classes, const std::string& ending) {
  if (ending.empty()) return logits;
  for (std::size_t row = 0; row < logits.size(); row += classes) {
    const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(row);
    const double most = *std::max_element(begin, begin + classes);
    double sum = 0;
    for (Index c = 0; c < classes; ++c) sum += std::exp(begin[c] - most);
    for (Index c = 0; c < classes; ++c) {
      const double log = begin[c] - most - std::log(sum);
      begin[c] = static_cast<float>(ending == "Softmax" ? std::exp(log) : log);
    }
  }
  return logits;
}

/// "passed", or why not.
std::string run(const fs::path& folder) {
  std::vector<StoredTensor> inputs;
  ModelProto m;
  StoredTensor expected;
  try {
    m = read_model(folder / "model.onnx");
    for (int i = 0; fs::exists(folder / fmt::format("test_data_set_0/input_{}.pb", i)); ++i)
      inputs.push_back(read_tensor(folder / fmt::format("test_data_set_0/input_{}.pb", i)));
    expected = read_tensor(folder / "test_data_set_0/output_0.pb");
    std::vector<ValueInfoProto> open;
    for (const ValueInfoProto& v : m.graph.input)
      if (std::none_of(m.graph.initializer.begin(), m.graph.initializer.end(),
                       [&](const TensorProto& t) { return t.name == v.name; }))
        open.push_back(v);
    if (inputs.empty() || open.size() != inputs.size()) return "refused: it has no input";
    StoredTensor input = inputs[0];
    if (combines(m, inputs)) {
      input = side_by_side(m, inputs);
    } else {  // weights are inputs in these tests; a network has them in its file
      for (std::size_t i = 1; i < inputs.size(); ++i)
        m.graph.initializer.push_back(proto_of(inputs[i], open[i].name));
      m.graph.input = {open[0]};
    }
    const bool real = input.dtype == DType::f32 || input.dtype == DType::f64 || input.dtype == DType::f16;
    if (!real || expected.dtype == DType::f16)  // a network's values are float32 here
      return fmt::format("refused: its {} is {}", real ? "output" : "input",
                         espalier::name_of(real ? expected.dtype : input.dtype));
    const Imported net = import_model(m, {.output = m.graph.output[0].name});
    const std::vector<float> values = to_floats(input);
    const Shape one = net.graph.shape(net.graph.input);
    const Index n = input.shape[0];
    const Tensor x = one.rank() == 1
                         ? Tensor::from({n, one[0]}, values)
                         : Tensor::from({n, one[0], one[1], one[2]},
                                        testing::channels_last(values, n, one[2], one[0] * one[1]));
    const Tensor y = Engine(net.graph, net.weights)(x);
    const std::vector<float> ours = with_ending(channels_first(y), y.shape()[-1], net.ending),
                             theirs = to_floats(expected);
    if (ours.size() != theirs.size())
      return fmt::format("FAILED: {} values instead of {}", ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i)
      if (ours[i] != theirs[i] && !(std::abs(ours[i] - theirs[i]) <= 1e-5F + 1e-4F * std::abs(theirs[i])))
        return fmt::format("FAILED: {} instead of {} at {}", ours[i], theirs[i], i);
    return "passed";
  } catch (const Error& e) {
    std::string why = e.what();
    // Without the file and the node's name, which is the test's.
    if (const std::size_t at = why.find("): "); at != std::string::npos) why = why.substr(at + 3);
    if (const std::size_t at = why.find(folder.string()); at != std::string::npos)
      why.erase(at, folder.string().size());
    if (why.starts_with("this op is not supported")) why = "this op is not supported";
    return "refused: " + why;
  }
}

TEST(OnnxNodeTests, PassOrAreRefusedAsTheTableSays) {
  if (!fs::exists(data)) GTEST_SKIP() << "no " << data << ": apt-get install libonnx-testdata";
  std::vector<fs::path> folders;
  for (const char* group : {"node", "pytorch-converted", "pytorch-operator", "simple"})
    for (const auto& entry : fs::directory_iterator(data / group)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  int passed = 0, refused = 0;
  std::ostringstream table;
  for (const fs::path& folder : folders) {
    const std::string result = run(folder), name = fs::relative(folder, data).generic_string();
    EXPECT_FALSE(result.starts_with("FAILED")) << name << ": " << result;
    (result == "passed" ? passed : refused) += 1;
    table << name << ": " << result << '\n';
  }
  table << fmt::format("{} passed, {} refused with a reason\n", passed, refused);
  const fs::path committed = fs::path(ESPALIER_SOURCE_DIR) / "tests/interchange/onnx_node_tests.txt";
  std::ifstream in(committed);
  std::stringstream before;
  before << in.rdbuf();
  if (std::getenv("ESPALIER_WRITE_TABLES")) {
    std::ofstream(committed) << table.str();
  } else if (before.str() != table.str()) {
    ADD_FAILURE() << "the results differ from " << committed << "; ESPALIER_WRITE_TABLES=1 test_interchange "
                  << "--gtest_filter='OnnxNodeTests*' writes them";
  }
}

}  // namespace
}  // namespace espalier::onnx
