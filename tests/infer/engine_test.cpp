// The engine gives what the tape gives, whatever the batch, the threads and the cut; in memory that values
// share.
#include "framework/infer/engine.h"

#include <gtest/gtest.h>

#include <limits>

#include "framework/core/buffer_pool.h"
#include "framework/core/parallel.h"
#include "framework/graph/builder.h"
#include "framework/graph/ops.h"
#include "tests/support/curvature.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

using Kind = Activation::Kind;

Tensor random_images(Index n, const Shape& image, std::uint64_t seed = 3) {
  return Tensor::from({n, image[0], image[1], image[2]}, normal_values(n * image.size(), seed));
}
Tensor by_tape(const Model& model, const Tensor& x) {
  const Recording off(false);
  Pass pass;
  return model.forward(x, pass).value();
}
std::vector<Real> values_of(const Tensor& t) { return {t.values().begin(), t.values().end()}; }
std::unique_ptr<Model> built(const char* name, const Shape& image) {
  Variant<ModelSettings> choice;
  choice.choose(name);
  return choice->build(image, 10, 1);
}
struct Threads {
  int before = threads();
  explicit Threads(int count) { set_threads(count); }
  ~Threads() { set_threads(before); }
};

TEST(Engine, GivesWhatTheTapeGives) {
  for (const auto& model :
       {conv_net(), branching_net(), built("resnet20", {12, 12, 2}), built("cifarnet", {16, 16, 2}),
        built("lenet", {12, 12, 2}), built("mlpnet", {12, 12, 2})}) {
    const Tensor x = random_images(7, model->image());
    const Tensor expected = by_tape(*model, x), y = Engine(model->graph(), weights_of(model->store()))(x);
    double largest = 1e-6;
    for (const Real v : expected.values()) largest = std::max(largest, std::abs(static_cast<double>(v)));
    for (Index k = 0; k < y.size(); ++k)
      ASSERT_NEAR(y.data()[k], expected.data()[k], (sizeof(Real) == 8 ? 1e-12 : 1e-5) * largest) << k;
  }
}

// Batches are cut into parts, single images within their layers: each example's logits have the bits they
// have alone.
TEST(Engine, NoCutShows) {
  for (const char* name : {"cifarnet", "resnet20", "lenet"}) {
    const auto model = built(name, {32, 32, 3});
    const Engine engine(model->graph(), weights_of(model->store()));
    const Tensor x = random_images(70, {32, 32, 3});
    const std::vector<Real> once = [&] {
      const Threads one(1);
      return values_of(engine(x));
    }();
    for (const int count : {1, 2, 3}) {
      const Threads some(count);
      EXPECT_EQ(values_of(engine(x)), once) << name << ", " << count << " threads";
      for (const Range few : {Range{0, 1}, {33, 34}, {67, 70}, {10, 15}})
        EXPECT_EQ(values_of(engine(x.slice(few))),
                  std::vector<Real>(once.begin() + few.begin * 10, once.begin() + few.end * 10))
            << name << ", " << count << " threads, examples " << few.begin << ".." << few.end;
    }
  }
}

TEST(Engine, WeightsAreThoseOfWhenItWasMade) {
  const auto model = conv_net();
  const Engine engine(model->graph(), weights_of(model->store()));
  const Tensor x = random_images(2, {6, 6, 2});
  const std::vector<Real> before = values_of(engine(x));
  for (Real& v : model->store().values()) v *= 2;
  EXPECT_EQ(values_of(engine(x)), before);
  EXPECT_NE(values_of(Engine(model->graph(), weights_of(model->store()))(x)), before);
}

TEST(Engine, ARunAllocatesNothingAfterTheFirst) {
  const auto model = branching_net();
  const Engine engine(model->graph(), weights_of(model->store()));
  const Tensor x = random_images(3, {6, 6, 2});
  Tensor y = Tensor::uninitialized({3, 3});
  engine.run(x, y);
  const auto before = pool_statistics().system_allocations;
  for (int i = 0; i < 10; ++i) engine.run(x, y);
  EXPECT_EQ(pool_statistics().system_allocations, before);
}

TEST(Engine, SeveralOutputsAndOneThatIsAlsoRead) {
  GraphBuilder net({2, 2, 3});
  const ValueId a = net.add("a", ConvOp({.out = 3, .kernel = 1}));
  const ValueId b = net.add("b", AddOp(), {a, 0});
  net.add("pool", GlobalAveragePoolOp());
  Graph g = net.finish({a, b, net.last(), 0});
  Weights w;
  w.tensors["a.weight"] = Tensor::from({3, 1, 1, 3}, std::vector<Real>{1, 0, 0, 0, 2, 0, 0, 0, 3});
  w.tensors["a.bias"] = Tensor::from({3}, std::vector<Real>{1, 1, 1});
  const Tensor x = random_images(2, {2, 2, 3});
  std::vector<Tensor> y{Tensor::zeros({2, 2, 2, 3}), Tensor::zeros({2, 2, 2, 3}), Tensor::zeros({2, 3}),
                        Tensor::zeros({2, 2, 2, 3})};
  Engine(g, w).run(x, y);
  for (Index k = 0; k < x.size(); ++k) {
    const Real v = x.data()[k], factor = static_cast<Real>(k % 3 + 1);
    EXPECT_NEAR(y[0].data()[k], factor * v + 1, 1e-5);
    EXPECT_NEAR(y[1].data()[k], factor * v + 1 + v, 1e-5);
    EXPECT_EQ(y[3].data()[k], v);
  }
  EXPECT_NEAR(y[2].data()[4], (y[1].data()[13] + y[1].data()[16] + y[1].data()[19] + y[1].data()[22]) / 4,
              1e-5);
}

TEST(Engine, AnotherKernelMayComputeAStep) {
  struct Sevens final : StepKernel {
    void run(const StepData& d) const override { std::fill_n(d.output, d.examples * 3, Real(7)); }
    std::string name() const override { return "sevens"; }
  };
  const auto model = conv_net();
  const Engine engine(model->graph(), weights_of(model->store()),
                      {.kernels = {[](const Graph&, const Step& step, const Weights&) {
                         return step.name == "fc" ? std::make_unique<Sevens>() : nullptr;
                       }}});
  EXPECT_EQ(engine.kernel(engine.graph().steps.size() - 1).name(), "sevens");
  EXPECT_EQ(engine.kernel(0).name(), "tiles");
  EXPECT_EQ(values_of(engine(random_images(2, {6, 6, 2}))), std::vector<Real>(6, 7));
}

TEST(Engine, SaysWhatDoesNotFit) {
  const auto model = conv_net();
  Weights weights = weights_of(model->store());
  const Engine engine(model->graph(), weights);
  espalier::testing::expect_error(ExitCode::internal, {"{6,6,2}", "{2,6,5,2}"}, [&] {
    engine(random_images(2, {6, 5, 2}));
  });
  weights.tensors["fc.weight"] = Tensor::zeros({3, 5});
  espalier::testing::expect_error(ExitCode::internal, {"'fc.weight'", "{3,5}", "{3,4}"},
                                  [&] { Engine(model->graph(), weights); });
}

// A value's memory is another's once nobody reads it; never before.
TEST(Buffers, ValuesInUseAtOneTimeDoNotOverlap) {
  for (const auto& model : {conv_net(), branching_net(), built("resnet20", {12, 12, 2})}) {
    const Graph& g = model->graph();
    const BufferPlan plan = plan_buffers(g, std::vector<bool>(g.steps.size(), false));
    std::vector<std::size_t> born(g.values.size(), 0), dies(g.values.size(), 0);
    for (std::size_t s = 0; s < g.steps.size(); ++s) {
      born[g.steps[s].output] = s;
      for (const ValueId id : g.steps[s].inputs) dies[id] = s;
    }
    Index all = 0;
    for (std::size_t a = 0; a < g.values.size(); ++a) {
      if (plan.offsets[a] == BufferPlan::outside) continue;
      all += g.values[a].shape.size();
      EXPECT_LE(plan.offsets[a] + g.values[a].shape.size(), plan.size);
      for (std::size_t b = 0; b < a; ++b) {
        if (plan.offsets[b] == BufferPlan::outside || born[a] > dies[b] || born[b] > dies[a]) continue;
        EXPECT_TRUE(plan.offsets[a] + g.values[a].shape.size() <= plan.offsets[b] ||
                    plan.offsets[b] + g.values[b].shape.size() <= plan.offsets[a])
            << g.values[a].name << " and " << g.values[b].name;
      }
    }
    EXPECT_LT(plan.size, all) << "some memory is used twice";
  }
}

TEST(Buffers, AStepMayWriteOverItsInputOnlyIfNobodyElseReadsIt) {
  GraphBuilder net({16});
  const ValueId a = net.add("a", ActivationOp(Kind::relu)), b = net.add("b", ActivationOp(Kind::tanh)),
                c = net.add("c", ActivationOp(Kind::tanh)), sum = net.add("sum", AddOp(), {c, a}),
                twice = net.add("twice", AddOp(), {sum, sum});
  net.add("end", ActivationOp(Kind::relu));
  const BufferPlan plan = plan_buffers(net.finish(), std::vector<bool>(6, true));
  EXPECT_NE(plan.offsets[b], plan.offsets[a]) << "`sum` reads a again";
  EXPECT_EQ(plan.offsets[c], plan.offsets[b]);
  EXPECT_EQ(plan.offsets[sum], plan.offsets[c]);
  EXPECT_NE(plan.offsets[twice], plan.offsets[sum]) << "both inputs are the same value";
}

}  // namespace
}  // namespace espalier::test
