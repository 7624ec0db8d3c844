// Gradients that are float32 numbers take a faster path: V, and where it is exact
// enough K, in float32. Against the float64 path on the same numbers, over dampings
// from 1e-8 to 1, with weights that matter a thousand times more than others, with
// pruned (zero) columns, and in blocks that one thread or all threads work on.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "framework/core/parallel.h"
#include "pruning/inverse/inverse.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

/// The same float32 numbers, declared as such or not.
class FloatRows final : public GradientRows {
 public:
  FloatRows(Index rows, Index cols, bool single, double spread, double zeros)
      : rows_(rows), cols_(cols), single_(single), values_(static_cast<std::size_t>(rows * cols)) {
    Random random(4, Random::Use::test);
    std::vector<double> size;
    for (Index q = 0; q < cols; ++q)
      size.push_back(random.uniform() < zeros ? 0 : std::pow(10.0, spread * random.normal()));
    for (Index m = 0; m < rows; ++m) {
      const double common = random.normal();  // gradients of examples resemble each other
      for (Index q = 0; q < cols; ++q)
        values_[m * cols + q] =
            static_cast<float>(size[q] * (random.normal() + common * std::sin(static_cast<double>(q))));
    }
  }
  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  bool single() const override { return single_; }
  void load(Range columns, double* out) const override { copy(columns, out); }
  void load(Range columns, float* out) const override { copy(columns, out); }

 private:
  template <class T>
  void copy(Range columns, T* out) const {
    for (Index m = 0; m < rows_; ++m)
      for (Index q = columns.begin; q < columns.end; ++q) *out++ = static_cast<T>(values_[m * cols_ + q]);
  }
  Index rows_, cols_;
  bool single_;
  std::vector<float> values_;
};

struct Problem {
  const char* name;
  Index rows, cols;
  double spread, zeros;
};

TEST(SinglePrecision, AgreesWithDoubleWithinTheMeasuredBounds) {
  for (const Problem& p :
       {Problem{"plain", 50, 700, 0, 0}, Problem{"weights of very different size", 50, 700, 0.7, 0},
        Problem{"one weight in ten alive", 40, 1500, 0.3, 0.9},
        Problem{"a few zero columns", 40, 600, 0.3, 0.05},
        Problem{"more columns than one thread takes", 30, 5000, 0.3, 0},
        Problem{"the same, sparse", 30, 9000, 0.3, 0.4}})
    for (double damp = 1e-8; damp < 2; damp *= 100) {
      SCOPED_TRACE(fmt::format("{}, damp {:g}", p.name, damp));
      const FloatRows fast(p.rows, p.cols, true, p.spread, p.zeros),
          slow(p.rows, p.cols, false, p.spread, p.zeros);
      const std::vector<Range> layers{{0, p.cols}};
      const auto a = made<InverseSettings>("\"full\"")->build(fast, layers, damp);
      const auto b = made<InverseSettings>("\"full\"")->build(slow, layers, damp);
      double worst = 0;
      for (std::size_t q = 0; q < a->diagonal().size(); ++q) {
        ASSERT_GT(a->diagonal()[q], 0);
        worst = std::max(worst, std::abs(a->diagonal()[q] / b->diagonal()[q] - 1));
      }
      EXPECT_LT(worst, 1e-4)
          << "worst relative error of the diagonal";  // on real gradients at most 4e-5 was seen
      const std::vector<double> v = random_values(static_cast<std::size_t>(p.cols), 9);
      std::vector<double> x(v.size()), y(v.size());
      a->apply(v, x);
      b->apply(v, y);
      double difference = 0, norm = 0;
      for (std::size_t q = 0; q < v.size(); ++q) {
        difference += (x[q] - y[q]) * (x[q] - y[q]);
        norm += y[q] * y[q];
      }
      EXPECT_LT(std::sqrt(difference / norm), 1e-6) << "refinement makes up for the float32 factor";
    }
}

TEST(SinglePrecision, SameBitsOnOneThreadAndTwo) {
  const FloatRows rows(30, 12000, true, 0.3, 0.2);
  const std::vector<Range> layers{{0, 9000}, {9000, 12000}};
  const std::vector<double> v = random_values(12000, 6);
  for (const char* kind : {"\"full\"", "\"layer\"", R"({"type": "block", "fisher_block_size": 1000})"}) {
    std::vector<std::vector<double>> results;
    for (const int count : {1, 2}) {
      set_threads(count);
      const auto inverse = made<InverseSettings>(kind)->build(rows, layers, 1e-3);
      std::vector<double> result(v.size());
      inverse->apply(v, result);
      result.insert(result.end(), inverse->diagonal().begin(), inverse->diagonal().end());
      results.push_back(result);
    }
    EXPECT_EQ(std::memcmp(results[0].data(), results[1].data(), results[0].size() * sizeof(double)), 0)
        << kind;
  }
}

TEST(SinglePrecision, AWeightWithoutGradientIsFreeAndAlone) {
  const FloatRows rows(10, 200, true, 0, 0.5);
  const std::vector<Range> layers{{0, 200}};
  const auto inverse = made<InverseSettings>("\"full\"")->build(rows, layers, 0.01);
  std::vector<float> g(2000);
  rows.load({0, 200}, g.data());
  std::vector<double> column(200);
  int dead = 0;
  for (std::size_t q = 0; q < 200; ++q) {
    double sum = 0;
    for (std::size_t m = 0; m < 10; ++m) sum += std::abs(static_cast<double>(g[m * 200 + q]));
    if (sum > 0) continue;
    ++dead;
    EXPECT_EQ(inverse->diagonal()[q], 1 / 0.01);
    inverse->column(static_cast<Index>(q), column);
    for (std::size_t p = 0; p < 200; ++p) EXPECT_EQ(column[p], p == q ? 1 / 0.01 : 0);
  }
  EXPECT_GT(dead, 50);
}

}  // namespace
}  // namespace espalier
