// Random small networks of all ops: exported by us they give ONNX Runtime our numbers, and read again by us
// the same network. The second half needs no other program.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/random.h"
#include "framework/graph/builder.h"
#include "framework/graph/channel_ops.h"
#include "framework/graph/ops.h"
#include "framework/infer/engine.h"
#include "framework/interchange/onnx/export.h"
#include "framework/interchange/onnx/import.h"
#include "tests/support/damage.h"
#include "tests/support/external.h"
#include "tests/support/temp_folder.h"

namespace espalier::onnx {
namespace {

constexpr int networks = 150;
constexpr Index examples = 2;

/// Grows a graph by ops whose settings are drawn; extents stay small.
class RandomNetwork {
 public:
  explicit RandomNetwork(int seed) : draw_(5, Random::Use::test, {static_cast<std::uint64_t>(seed)}) {
    const Shape image{between(6, 12), between(6, 12), between(1, 3)};
    builder_.input("image", image);
    x_ = add(conv(12));
    const Index length = between(3, 7);
    for (Index i = 0; i < length; ++i) step();
    head();
    graph = builder_.finish({x_});
    fill();
  }
  Graph graph;
  Weights weights;
  Tensor input;

 private:
  Index between(Index low, Index high) { return low + static_cast<Index>(draw_.below(high - low + 1)); }
  bool chance() { return draw_.below(2) == 1; }
  Shape shape() const { return builder_.shape(x_); }
  template <class Concrete>
  ValueId add(Concrete op, std::vector<ValueId> in = {}) {
    if (in.empty()) in = {x_ < 0 ? ValueId{0} : x_};
    return x_ = builder_.add(fmt::format("step{}", ++count_), std::move(op), in);
  }
  ConvOp conv(Index out) {
    const Shape s = x_ < 0 ? builder_.shape(0) : shape();
    ConvOp op;
    op.out = out;
    op.kernel_h = between(1, std::min<Index>(3, s[0]));
    op.kernel_w = between(1, std::min<Index>(3, s[1]));
    op.stride_h = between(1, 2), op.stride_w = between(1, 2);
    op.pad_top = between(0, op.kernel_h - 1), op.pad_bottom = between(0, op.kernel_h - 1);
    op.pad_left = between(0, op.kernel_w - 1), op.pad_right = between(0, op.kernel_w - 1);
    if (op.kernel_h * 2 - 1 <= s[0] + op.pad_top + op.pad_bottom && chance()) op.dilation_h = 2;
    if (s[2] % 4 == 0 && chance()) op.groups = chance() ? 4 : s[2] == out ? out : 2;
    op.bias = chance();
    return op;
  }
  template <class PoolOp>
  PoolOp pool() {
    PoolOp op;
    PoolSettings& p = op.pool;
    p.kernel_h = between(1, std::min<Index>(3, shape()[0]));
    p.kernel_w = between(1, std::min<Index>(3, shape()[1]));
    p.stride_h = between(1, 2), p.stride_w = between(1, 2);
    p.pad_top = p.pad_bottom = (p.kernel_h - 1) / 2;  // ONNX Runtime asks for less than half
    p.pad_left = p.pad_right = (p.kernel_w - 1) / 2;
    p.ceil_mode = chance();
    return op;
  }
  void step() {
    using Kind = Activation::Kind;
    const ValueId before = x_;
    switch (between(0, 9)) {
      case 0:
        add(conv(4 * between(1, 4)));
        break;
      case 1:
        add(BatchNormOp());
        break;
      case 2:
        add(pool<MaxPoolOp>());
        break;
      case 3: {
        AveragePoolOp op = pool<AveragePoolOp>();
        // With both, ONNX Runtime counts otherwise (ort #24681).
        op.pool.count_include_pad = !op.pool.ceil_mode && chance();
        add(op);
        break;
      }
      case 4: {
        constexpr Kind kinds[] = {Kind::relu,         Kind::leaky_relu, Kind::clip, Kind::sigmoid,
                                  Kind::hard_sigmoid, Kind::hard_swish, Kind::tanh, Kind::elu,
                                  Kind::gelu,         Kind::silu};
        add(ActivationOp(Activation(kinds[between(0, 9)])));
        break;
      }
      case 5: {  // a residual branch
        ConvOp same = conv(shape()[2]);
        same.kernel_h = same.kernel_w = 3, same.stride_h = same.stride_w = same.dilation_h = 1;
        same.pad_top = same.pad_left = same.pad_bottom = same.pad_right = 1;
        add(same);
        add(AddOp(), {x_, before});
        break;
      }
      case 6: {  // squeeze and excitation
        add(GlobalAveragePoolOp());
        LinearOp linear;
        linear.out = builder_.shape(before)[2];
        add(linear);
        add(ActivationOp(Activation(Kind::sigmoid)));
        add(MulOp(), {before, x_});
        break;
      }
      case 7: {  // two halves side by side
        const Index half = shape()[2] / 2;
        const ValueId left = add(ChannelsOp(0, half), {before}),
                      right = add(ChannelsOp(half, half), {before});
        add(ActivationOp(Activation(Kind::relu)), {right});
        add(ConcatOp(), {left, x_});
        break;
      }
      case 8:
        add(ShuffleChannelsOp(chance() ? 2 : 4));
        break;
      default:
        add(DropoutOp());
    }
  }
  void head() {
    if (chance()) {
      add(GlobalAveragePoolOp());
    } else {
      add(FlattenOp());
    }
    LinearOp linear;
    linear.out = 5;
    linear.bias = chance();
    add(linear);
  }
  void fill() {
    const auto draw = [&](const Shape& s, double scale, double shift) {
      Tensor t = Tensor::uninitialized(s);
      for (Real& v : t.values()) v = static_cast<Real>(shift + scale * draw_.normal());
      return t;
    };
    for (const ParameterSpec& p : graph.parameters)
      weights.tensors[p.name] = draw(
          p.shape,
          p.shape.rank() == 1 ? 0.2 : 1.5 / std::sqrt(static_cast<double>(p.shape.size() / p.shape[0])), 0);
    for (const StatisticSpec& s : graph.statistics)
      weights.tensors[s.name] = s.name.ends_with("var") ? draw({s.size}, 0.05, 1) : draw({s.size}, 0.2, 0);
    const Shape s = graph.shape(graph.input);
    input = draw({examples, s[0], s[1], s[2]}, 1, 0);
  }
  Random draw_;
  GraphBuilder builder_;
  ValueId x_ = -1;
  int count_ = 0;
};

std::vector<float> channels_first(const Tensor& t) {
  std::vector<float> out(t.values().size());
  const Index pixels = t.shape()[1] * t.shape()[2], c = t.shape()[3];
  for (Index e = 0; e < t.shape()[0]; ++e)
    for (Index p = 0; p < pixels; ++p)
      for (Index k = 0; k < c; ++k) out[(e * c + k) * pixels + p] = t.data()[(e * pixels + p) * c + k];
  return out;
}

double difference(std::span<const Real> a, std::span<const float> b) {
  double most = 0, largest = 1e-3;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return a.size() == b.size() ? most / largest : INFINITY;
}

TEST(OnnxRandom, OutAndInAgainIsTheSameNetwork) {
  for (int seed = 0; seed < networks; ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net(seed);
    const Tensor ours = Engine(net.graph, net.weights)(net.input);
    for (const bool keep : {true, false}) {
      const Imported again = import_model(parse_model(
          export_model(net.graph, net.weights, {.keep_batch_norm = keep, .sparse = keep}), "again.onnx"));
      EXPECT_LE(difference(Engine(again.graph, again.weights)(net.input).values(), ours.values()), 1e-5);
      if (!keep) continue;
      for (const ParameterSpec& p : net.graph.parameters)
        EXPECT_TRUE(again.weights.has(p.name)) << p.name << " has lost its name";
    }
  }
}

TEST(OnnxRandom, OnnxRuntimeGivesOurNumbers) {
  if (testing::onnxruntime().empty()) GTEST_SKIP() << "no onnxruntime-node in $ESPALIER_ORT or build/onnxruntime";
  const testing::TempFolder folder;
  std::vector<Tensor> ours;
  for (int seed = 0; seed < networks; ++seed) {
    const RandomNetwork net(seed);
    const std::string name = fmt::format("net{:03}", seed);
    write_model(folder / (name + ".onnx"), net.graph, net.weights,
                {.keep_batch_norm = seed % 2 == 0, .sparse = seed % 3 == 0});
    testing::write_floats(folder / (name + ".f32"), channels_first(net.input));
    const Shape& s = net.input.shape();
    folder.write_text(name + ".shape", fmt::format("{},{},{},{}", s[0], s[3], s[1], s[2]));
    ours.push_back(Engine(net.graph, net.weights)(net.input));
  }
  ASSERT_TRUE(testing::run_onnxruntime(folder.path()));
  for (int seed = 0; seed < networks; ++seed)
    EXPECT_LE(
        difference(ours[seed].values(), testing::read_floats(folder / fmt::format("net{:03}.ort.f32", seed))),
        2e-5)
        << "network " << seed;
}

TEST(OnnxRandom, DamageEndsInAnErrorOrANetwork) {
  const RandomNetwork net(3);
  std::string whole = export_model(net.graph, net.weights);
  testing::expect_no_damage_brings_it_down(
      whole, ExitCode::checkpoint,
      [](const std::string& contents) { import_model(parse_model(contents, "a.onnx")); }, 2000);
}

TEST(OnnxRandom, PixelsAreNormalisedByTheFirstNodes) {
  if (testing::onnxruntime().empty()) GTEST_SKIP() << "no onnxruntime-node in $ESPALIER_ORT or build/onnxruntime";
  const testing::TempFolder folder;
  const RandomNetwork net(4);
  const Shape s = net.graph.shape(net.graph.input);
  PixelNormalization normal;
  for (Index c = 0; c < s[2]; ++c) {
    normal.mean.push_back(0.4 + 0.1 * static_cast<double>(c));
    normal.std.push_back(0.2 + 0.05 * static_cast<double>(c));
  }
  std::vector<std::uint8_t> pixels(s.size());
  std::vector<Real> x(pixels.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t c = i % s[2];
    pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
    x[i] = static_cast<Real>((pixels[i] / 255.0 - normal.mean[c]) / normal.std[c]);
  }
  write_model(folder / "net.onnx", net.graph, net.weights, {.pixels = normal});
  folder.write("net.u8", pixels);
  folder.write_text("net.shape", fmt::format("1,{},{},{}", s[0], s[1], s[2]));
  ASSERT_TRUE(testing::run_onnxruntime(folder.path()));
  const Tensor ours = Engine(net.graph, net.weights)(Tensor::from({1, s[0], s[1], s[2]}, x));
  EXPECT_LE(difference(ours.values(), testing::read_floats(folder / "net.ort.f32")), 2e-5);
}

}  // namespace
}  // namespace espalier::onnx
