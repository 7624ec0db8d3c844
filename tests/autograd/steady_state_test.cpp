// steady_state_test.cpp: after the first steps a training step asks neither the system nor operator new for
// memory. operator new is replaced for this whole executable; it counts only between start() and stop().
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "framework/autograd/backward.h"
#include "framework/core/buffer_pool.h"
#include "framework/core/parallel.h"
#include "framework/ops/ops.h"
#include "tests/support/check_op.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<long> calls{0};
void* counted(std::size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) calls.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes > 0 ? bytes : 1)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace espalier::test {
namespace {

/// A flat array of gradients, as the optimizer keeps it.
struct AddTo final : GradientSink {
  std::vector<Tensor> gradients;
  void accept(ParameterId id, const Partial& partial) override {
    const Tensor g = partial.all();
    Real* sum = gradients[id].data();
    for (Index i = 0; i < g.size(); ++i) sum[i] += g.data()[i];
  }
};

/// conv, relu, max pool, batch norm, average pool, flatten, dropout, linear, cross-entropy: every kind of
/// layer once.
struct Network {
  explicit Network(bool training) : training_(training) {
    for (const Shape& s :
         {Shape{16, 3, 3, 3}, Shape{16}, Shape{8, 3, 3, 16}, Shape{8}, Shape{8}, Shape{10, 72}, Shape{10}}) {
      parameters_.push_back(Var::parameter(random_direction(s, parameters_.size()),
                                           static_cast<ParameterId>(parameters_.size())));
      sink_.gradients.push_back(Tensor::zeros(s));
    }
    labels_.assign(batch, 3);
  }
  void step(std::uint64_t key) {
    const auto& p = parameters_;
    Var h = conv2d(Var(images_), p[0], p[1], {.pad = 1, .relu = true});
    h = max_pool(h, {3, 2});
    h = conv2d(h, p[2], Var(), {.pad = 1});
    BatchMoments moments;
    h = training_ ? batch_norm_train(h, p[3], p[4], 1e-5, moments, Activation::Kind::relu)
                  : batch_norm_eval(h, p[3], p[4], mean_, variance_, 1e-5, Activation::Kind::relu);
    h = average_pool(h, {3, 2});
    h = flatten(h);
    if (training_) h = dropout(h, 0.25, key);
    backward(cross_entropy(linear(h, p[5], p[6]), labels_), ones_, sink_);
  }

 private:
  static constexpr Index batch = 16;
  bool training_;
  Tensor images_ = random_direction({batch, 15, 15, 3}, 77), ones_ = Tensor::full({batch}, 1);
  Tensor mean_ = Tensor::zeros({8}), variance_ = Tensor::full({8}, 1);
  std::vector<std::int32_t> labels_;
  std::vector<Var> parameters_;
  AddTo sink_;
};

struct Growth {
  long operator_new;
  std::size_t system_allocations;
};
Growth growth_over(int steps, bool training, int thread_count) {
  const int before_threads = threads();
  set_threads(thread_count);
  Network network(training);
  for (std::uint64_t s = 0; s < 20; ++s) network.step(s);
  const auto before = pool_statistics().system_allocations;
  calls = 0;
  counting = true;
  for (int s = 0; s < steps; ++s) network.step(static_cast<std::uint64_t>(s));
  counting = false;
  const Growth growth{calls.load(), pool_statistics().system_allocations - before};
  set_threads(before_threads);
  return growth;
}

TEST(SteadyState, StepAllocatesNothing) {
  for (const int thread_count : {1, 2})
    for (const bool training : {true, false}) {
      const Growth growth = growth_over(thread_count == 1 ? 20 : 200, training, thread_count);
      EXPECT_EQ(growth.operator_new, 0) << "training " << training << ", threads " << thread_count;
      EXPECT_EQ(growth.system_allocations, 0U) << "training " << training << ", threads " << thread_count;
    }
}

TEST(SteadyState, TheCounterCounts) {
  calls = 0;
  counting = true;
  auto* p = new int(1);
  counting = false;
  delete p;
  EXPECT_EQ(calls.load(), 1);
}

}  // namespace
}  // namespace espalier::test
