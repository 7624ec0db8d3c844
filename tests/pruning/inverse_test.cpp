// All inverses are the same matrix: the paper's recursion, the Gram form and the primal form against a dense
// inverse in long double, over dampings from 1e-8 to 1e2 and over the awkward problems: duplicates, zero
// gradients, dead weights, one example, none, more rows than weights.
#include "pruning/inverse/inverse.h"

#include <gtest/gtest.h>

#include <cstring>

#include "framework/core/parallel.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct Problem {
  const char* name;
  Index rows, cols;
  double scale;  // of the gradients
  bool duplicates, dead, zero;
};

DenseRows rows_of(const Problem& p) {
  std::vector<double> g = random_values(static_cast<std::size_t>(p.rows * p.cols), 7, p.scale);
  for (Index m = 0; m < p.rows; ++m)
    for (Index q = 0; q < p.cols; ++q) {
      double& v = g[m * p.cols + q];
      if (p.zero || (p.dead && q % 3 == 0)) v = 0;
      if (p.duplicates && m > 0) v = g[q];
    }
  return {p.rows, p.cols, g};
}

const Problem problems[] = {{"fewer rows than weights", 6, 20, 1, false, false, false},
                            {"more rows than weights", 30, 8, 1, false, false, false},
                            {"as many", 10, 10, 1, false, false, false},
                            {"one example", 1, 12, 1, false, false, false},
                            {"no example", 0, 5, 1, false, false, false},
                            {"duplicates", 5, 12, 1, true, false, false},
                            {"dead weights", 6, 18, 1, false, true, false},
                            {"zero gradients", 4, 9, 1, false, false, true},
                            {"small gradients", 6, 20, 1e-4, false, false, false},
                            {"large gradients", 6, 20, 1e2, false, false, false}};

TEST(Inverse, EveryFormAgreesWithADenseInverseAtEveryDampening) {
  for (const Problem& p : problems) {
    const DenseRows rows = rows_of(p);
    const std::vector<Range> layers{{0, p.cols / 2}, {p.cols / 2, p.cols}};
    for (const char* kind : {"\"layer\"", "\"full\"", "\"dense\"",
                             R"({"type": "block", "fisher_block_size": 3})", "\"diagonal\""})
      for (double damp = 1e-8; damp < 1e3; damp *= 100) {
        SCOPED_TRACE(fmt::format("{}, {}, damp {:g}", p.name, kind, damp));
        const auto settings = made<InverseSettings>(kind);
        const auto inverse = settings->build(rows, layers, damp);
        const std::vector<Range> blocks = settings->partition(layers);
        const DenseFisher truth(rows, blocks, damp);
        // The recursion subtracts matrices of size 1/damp: its error is relative to that, as the paper's is.
        // The others are accurate where the matrix itself is: the condition number times float64's unit.
        const bool recursion = std::string(kind) == "\"dense\"";
        const double gain = 1 + p.scale * p.scale * static_cast<double>(p.cols) / damp;
        const std::vector<double> v = random_values(static_cast<std::size_t>(p.cols), 3);
        std::vector<double> x(v.size());
        inverse->apply(v, x);
        const std::vector<double> expected = truth.times(truth.inverse, v);
        double largest = 0;
        for (const double e : expected) largest = std::max(largest, std::abs(e));
        for (std::size_t q = 0; q < v.size(); ++q) {
          const double exact = truth.inverse[q * v.size() + q];
          const double diagonal = inverse->diagonal()[q];
          EXPECT_GT(diagonal, 0) << "weight " << q;
          EXPECT_NEAR(diagonal, exact,
                      recursion ? 1e-14 * gain / damp + 1e-9 * exact : (1e-9 + 1e-15 * gain) * exact)
              << "weight " << q;
          EXPECT_NEAR(x[q], expected[q], (1e-9 + (recursion ? 1e-13 : 1e-14) * gain) * largest)
              << "weight " << q;
        }
      }
  }
}

TEST(Inverse, ColumnsAndSubmatricesAreThoseOfTheMatrix) {
  const DenseRows rows = rows_of(problems[0]);
  const std::vector<Range> layers{{0, 20}};
  const auto inverse = made<InverseSettings>("\"full\"")->build(rows, layers, 0.1);
  const DenseFisher truth(rows, layers, 0.1);
  std::vector<double> column(20);
  inverse->column(4, column);
  const std::vector<Index> set{2, 11, 17};
  const std::vector<double> sub = inverse->submatrix(set);
  for (std::size_t p = 0; p < 20; ++p) EXPECT_NEAR(column[p], truth.inverse[p * 20 + 4], 1e-12);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      EXPECT_NEAR(sub[i * 3 + j],
                  truth.inverse[static_cast<std::size_t>(set[i]) * 20 + static_cast<std::size_t>(set[j])],
                  1e-12);
}

TEST(Inverse, SameBitsOnOneThreadAndTwo) {
  const Index n = 40, d = 3000;
  const DenseRows rows(n, d, random_values(static_cast<std::size_t>(n * d), 5));
  const std::vector<Range> layers{{0, 1100}, {1100, d}};
  const std::vector<double> v = random_values(static_cast<std::size_t>(d), 6);
  for (const char* kind : {"\"full\"", "\"layer\"", R"({"type": "block", "fisher_block_size": 64})"}) {
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

TEST(Inverse, BlocksNeverSpanLayers) {
  const std::vector<Range> layers{{0, 5}, {5, 12}};
  const std::vector<Range> expected{{0, 4}, {4, 5}, {5, 9}, {9, 12}};
  EXPECT_EQ(cut_into_blocks(layers, 4), expected);
}

TEST(Inverse, BadSettingsAreRefused) {
  const DenseRows rows(1, 5000, random_values(5000, 1));
  const std::vector<Range> layers{{0, 5000}};
  for (const char* kind : {"\"full\"", "\"diagonal\"", "\"dense\""}) {
    try {
      made<InverseSettings>(kind)->build(rows, layers, 0);
      ADD_FAILURE() << kind << " took damp 0";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::config);
    }
  }
  EXPECT_THROW(made<InverseSettings>("\"dense\"")->build(rows, layers, 1), Error)
      << "a block of 5,000 is too large to store";
}

}  // namespace
}  // namespace espalier
