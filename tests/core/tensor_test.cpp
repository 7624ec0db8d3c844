// tensor_test.cpp: shapes, tensors and their views.
#include "framework/core/tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

using espalier::testing::expect_error;

Tensor counting(const Shape& shape) {
  Tensor t = Tensor::uninitialized(shape);
  std::iota(t.values().begin(), t.values().end(), Real(0));
  return t;
}

TEST(Shape, ExtentsAndSizes) {
  const Shape s{8, 4, 5, 3};
  EXPECT_EQ(s.rank(), 4);
  EXPECT_EQ(s.size(), 480);
  EXPECT_EQ(s.example_size(), 60);
  EXPECT_EQ(s[0], 8);
  EXPECT_EQ(s[-1], 3) << "negative axes count from the end";
  EXPECT_EQ(s.with_examples(2), (Shape{2, 4, 5, 3}));
  EXPECT_EQ(s.str(), "{8,4,5,3}");
  EXPECT_EQ(fmt::format("{}", Shape{7}), "{7}");
}

TEST(Shape, SizesThatWouldOverflowAreRefused) {
  // 2^31 x 2^16 x 2^16 is 2^63: one more bit than an Index has.
  expect_error(ExitCode::memory, {"{2147483647,65536,65536,1}", "2^48"}, [] {
    Shape({2147483647, 65536, 65536, 1});
  });
  expect_error(ExitCode::memory, {"2^48"}, [] { Shape({0, Index{1} << 40, Index{1} << 40}); });
  expect_error(ExitCode::memory, {"2^48"}, [] { Shape({1, 1 << 20}).with_examples(Index{1} << 40); });
  EXPECT_EQ(Shape({Index{1} << 24, Index{1} << 24}).size(), Index{1} << 48);
}

TEST(Shape, EqualityLooksAtRankAndExtents) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_FALSE((Shape{2, 3} == Shape{3, 2}));
  EXPECT_FALSE((Shape{2, 3} == Shape{2, 3, 1}));
  EXPECT_FALSE((Shape{} == Shape{1}));
}

TEST(Shape, OfNothingHasOneValueAndOfNoExamplesNone) {
  EXPECT_EQ(Shape{}.size(), 1);
  EXPECT_EQ((Shape{0, 3}).size(), 0);
  EXPECT_EQ((Shape{0, 3}).example_size(), 3);
}

TEST(Shape, MistakesAreNamed) {
  expect_error(ExitCode::internal, {"[shape]", "5 axes", "4"}, [] { Shape{1, 2, 3, 4, 5}; });
  expect_error(ExitCode::internal, {"[shape]", "-2"}, [] { Shape{3, -2}; });
}

TEST(Tensor, CopiesShareTheBufferAndClonesDoNot) {
  Tensor a = counting({2, 3});
  Tensor shared = a, apart = a.clone();
  a.data()[4] = 100;
  EXPECT_EQ(shared.data()[4], 100);
  EXPECT_EQ(apart.data()[4], 4);
}

TEST(Tensor, SliceIsAViewOfExamples) {
  Tensor a = counting({4, 2, 3});
  Tensor middle = a.slice({1, 3});
  EXPECT_EQ(middle.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(middle.data(), a.data() + 6);
  middle.data()[0] = -1;
  EXPECT_EQ(a.data()[6], -1) << "a view, not a copy";
  EXPECT_EQ(middle.slice({1, 2}).data()[0], 12) << "slices of slices count from the slice";
  EXPECT_EQ(a.slice({4, 4}).size(), 0) << "an empty range is a range";
  EXPECT_EQ(a.slice({0, 4}).shape(), a.shape());
}

TEST(Tensor, ViewsKeepTheBufferAlive) {
  Tensor row;
  {
    const Tensor a = counting({1000, 10});
    row = a.slice({500, 501});
  }
  std::vector<Tensor> others;  // would reuse the memory had it been freed
  for (int i = 0; i < 10; ++i) others.push_back(Tensor::full({1000, 10}, -7));
  EXPECT_EQ(row.data()[3], 5003);
}

TEST(Tensor, ReshapeIsAViewOfTheSameValues) {
  Tensor a = counting({2, 6});
  const Tensor b = a.reshape({3, 2, 2});
  EXPECT_EQ(b.shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(b.data(), a.data());
}

TEST(Tensor, OfMemoryThatSomebodyElseOwns) {
  const std::shared_ptr<Real> owner(new Real[4]{1, 2, 3, 4}, std::default_delete<Real[]>());
  {
    const Tensor view = Tensor::view({2, 2}, owner);
    EXPECT_EQ(view.data(), owner.get());
    EXPECT_EQ(owner.use_count(), 2);
  }
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(Tensor, FullZerosAndFrom) {
  for (const Real v : Tensor::full({3, 3}, Real(2.5)).values()) EXPECT_EQ(v, Real(2.5));
  for (const Real v : Tensor::zeros({7}).values()) EXPECT_EQ(v, 0);
  const std::vector<Real> values{1, 2, 3};
  EXPECT_EQ(Tensor::from({3}, values).data()[2], 3);
  EXPECT_TRUE(Tensor().empty());
  EXPECT_FALSE(Tensor::zeros({0}).empty()) << "no values, but a tensor";
}

TEST(Tensor, MistakesAreNamed) {
  const Tensor a = Tensor::zeros({4, 2});
  expect_error(ExitCode::internal, {"[slice]", "3..5", "{4,2}"}, [&] { a.slice({3, 5}); });
  expect_error(ExitCode::internal, {"[slice]", "2..1"}, [&] { a.slice({2, 1}); });
  expect_error(ExitCode::internal, {"[slice]", "-1..1"}, [&] { a.slice({-1, 1}); });
  expect_error(ExitCode::internal, {"[reshape]", "{4,2}", "{3,3}"}, [&] { a.reshape({3, 3}); });
  const std::vector<Real> three(3);
  expect_error(ExitCode::internal, {"[tensor]", "{2,2}", "4", "3"}, [&] { Tensor::from({2, 2}, three); });
}

}  // namespace
}  // namespace espalier::test
