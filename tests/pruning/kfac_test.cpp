// K-FAC: the oracle's case in numbers, the factors against sums over patches written out, and every access to
// the inverse against the Kronecker product formed densely.
#include <gtest/gtest.h>

#include "pruning/rows/network_rows.h"
#include "pruning/update/update.h"
#include "tests/support/oracle.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

/// Rows that carry factors and nothing else.
struct FactorsOnly final : GradientRows {
  std::vector<KroneckerFactor> factors;
  Index rows() const override { return 0; }
  Index cols() const override { return factors.back().columns.end; }
  void load(Range, double*) const override { FAIL() << "K-FAC needs no rows"; }
  std::span<const KroneckerFactor> kronecker() const override { return factors; }
};

std::vector<double> second_moment(const nlohmann::json& rows) {
  const std::size_t n = rows[0].size();
  std::vector<double> m(n * n, 0.0);
  for (const auto& r : rows)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        m[i * n + j] += r[i].get<double>() * r[j].get<double>() / static_cast<double>(rows.size());
  return m;
}

std::vector<double> flat(const nlohmann::json& m) {
  std::vector<double> v;
  for (const auto& row : m) v.insert(v.end(), row.begin(), row.end());
  return v;
}

TEST(Kfac, OracleCaseInEveryDigit) {
  const auto cases = oracle_cases("kfac");
  for (const auto& c : cases) {
    FactorsOnly rows;
    KroneckerFactor f{.columns = {0, 6}, .outputs = 3, .inputs = 2};
    f.a = second_moment(c["inputs"]["layer_inputs"]);
    f.s = second_moment(c["inputs"]["output_gradients"]);
    expect_close(nlohmann::json(flat(c["expected"]["A"])), f.a, 1e-12, "A");
    expect_close(nlohmann::json(flat(c["expected"]["G"])), f.s, 1e-12, "G");
    rows.factors = {f};
    const std::vector<Range> layers{{0, 6}};
    for (const auto& [json, key] :
         {std::pair{R"({"type": "kfac", "pi": false})", "no_pi"}, {R"("kfac")", "pi"}}) {
      const auto inverse = made<InverseSettings>(json)->build(rows, layers, c["inputs"]["lambda"]);
      const std::vector<Index> all{0, 1, 2, 3, 4, 5};
      expect_close(nlohmann::json(flat(c["expected"][key]["F_inv"])), inverse->submatrix(all), 1e-9, key);
      std::vector<double> column(6);
      for (Index q = 0; q < 6; ++q) {
        inverse->column(q, column);
        expect_close(c["expected"][key]["F_inv"][q], column, 1e-9, "column");
        EXPECT_DOUBLE_EQ(inverse->diagonal()[q], column[q]);
      }
    }
  }
}

/// One example's Fisher is (delta delta') (x) (a a') exactly,
/// so the factors' product must be its row times itself.
void expect_product_of_rows(const KroneckerFactor& k, const std::vector<double>& row) {
  const auto at = [&](Index q) { return row[k.columns.begin + q]; };
  double largest = 0;
  for (Index q = 0; q < k.columns.size(); ++q) largest = std::max(largest, std::abs(at(q)));
  ASSERT_GT(largest, 0);
  for (Index p = 0; p < k.columns.size(); ++p)
    for (Index q = 0; q < k.columns.size(); ++q)
      EXPECT_NEAR(k.s[p / k.inputs * k.outputs + q / k.inputs] * k.a[p % k.inputs * k.inputs + q % k.inputs],
                  at(p) * at(q), 1e-6 * largest * largest);
}

TEST(Kfac, OneExampleOfALinearLayerIsItsProductExactly) {
  const SmallNetwork net;
  const NetworkRows one(*net.model, net.layers, net.examples(1),
                        {.rows = 1, .kronecker = true, .factored = false});
  EXPECT_TRUE(one.kronecker().back().has_bias);
  expect_product_of_rows(one.kronecker().back(), all_of(one));
}

TEST(Kfac, FactorsOfManyExamplesAreTheirMeans) {
  const SmallNetwork net;
  const RowOptions options{.rows = 1, .kronecker = true};
  std::vector<double> a, s;
  const ImageExamples five = net.examples(5);
  for (const Index e : five.indices()) {
    const ImageExamples alone(net.data.train, net.preprocessing, {e});
    const NetworkRows one(*net.model, net.layers, alone, options);
    const KroneckerFactor& k = one.kronecker()[1];  // the convolution with stride 2
    a.resize(k.a.size());
    s.resize(k.s.size());
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += k.a[i] / 5;
    for (std::size_t i = 0; i < s.size(); ++i) s[i] += k.s[i] / 5;
  }
  const NetworkRows all(*net.model, net.layers, net.examples(5), {.rows = 5, .kronecker = true});
  expect_close(nlohmann::json(a), all.kronecker()[1].a, 1e-6, "A");
  expect_close(nlohmann::json(s), all.kronecker()[1].s, 1e-6, "S");
}

TEST(Kfac, AConvolutionOfOnePositionIsALinearLayerOfItsPatch) {
  // With one position the convolution is a linear layer of its patch: a 3x3 kernel on a 3x3 image.
  const SmallNetwork net(R"([{"type": "max_pool", "kernel": 4},
      {"type": "conv", "name": "conv", "out": 3, "kernel": 3}, "flatten"])");
  const NetworkRows one(*net.model, net.layers, net.examples(1), {.rows = 1, .kronecker = true});
  ASSERT_EQ(one.kronecker().front().inputs, 18);
  ASSERT_EQ(one.kronecker().front().positions, 1);
  expect_product_of_rows(one.kronecker().front(), all_of(one));
}

/// E over examples of sum over positions of a a', and of a, by the definition:
/// in float64, product by product.
void expect_moments_of_patches(Index pad) {
  // 128 inputs are more than one strip of A; small maps are summed together, large ones in parts.
  const std::string layers = R"([{"type": "conv", "name": "conv", "out": 2, "kernel": 8, "pad": )" +
                             std::to_string(pad) +
                             R"(}, "global_average_pool", {"type": "linear", "out": 3}])";
  const SmallNetwork net(layers.c_str());
  const Index kernel = 8, inputs = kernel * kernel * 2, side = 12 + 2 * pad - kernel + 1, count = 9;
  Batch batch;
  net.examples(count).load({0, count}, batch);
  std::vector<double> a(inputs * inputs, 0.0), mean(static_cast<std::size_t>(inputs), 0.0),
      patch(static_cast<std::size_t>(inputs));
  for (Index e = 0; e < count; ++e)
    for (Index position = 0; position < side * side; ++position) {
      for (Index i = 0; i < inputs; ++i) {
        const Index y = position / side + i / 2 / kernel - pad, x = position % side + i / 2 % kernel - pad;
        const bool inside = y >= 0 && y < 12 && x >= 0 && x < 12;
        patch[i] = inside ? static_cast<double>(batch.images.data()[((e * 12 + y) * 12 + x) * 2 + i % 2]) : 0;
      }
      for (std::size_t i = 0; i < patch.size(); ++i) {
        mean[i] += patch[i] / count;
        for (std::size_t j = 0; j < patch.size(); ++j) a[i * patch.size() + j] += patch[i] * patch[j] / count;
      }
    }
  const NetworkRows all(*net.model, net.layers, net.examples(count),
                        {.rows = static_cast<int>(count), .kronecker = true});
  const KroneckerFactor& k = all.kronecker().front();
  ASSERT_EQ(k.inputs, inputs);
  EXPECT_EQ(k.positions, side * side);
  expect_close(nlohmann::json(a), k.a, 1e-5, "A");
  expect_close(nlohmann::json(mean), k.mean, 1e-5, "mean of a");
}
TEST(Kfac, TheInputFactorOfAConvolutionIsASumOverPatches) { expect_moments_of_patches(4); }
TEST(Kfac, TheInputFactorOfALargeMapIsTheSameSumInParts) { expect_moments_of_patches(14); }

TEST(Kfac, FreeBiasesGiveTheWeightsPartOfTheLargerInverse) {
  KroneckerFactor f{.columns = {0, 2}, .outputs = 1, .inputs = 2, .has_bias = true};
  f.a = {2, 0.5, 0.5, 1};
  f.mean = {0.3, -0.2};
  f.s = {0.7};
  FactorsOnly rows;
  rows.factors = {f};
  const std::vector<Range> layers{{0, 2}};
  const double damp = 0.01, root = std::sqrt(damp);
  // [A a; a' 1]^-1 restricted to A is (A - a a' / (1 + root))^-1, the dampened bias eliminated.
  const double a11 = 2 + root - 0.09 / (1 + root), a12 = 0.5 + 0.06 / (1 + root),
               a22 = 1 + root - 0.04 / (1 + root);
  const double det = (a11 * a22 - a12 * a12) * (0.7 + root);
  const auto inverse = made<InverseSettings>(R"({"type": "kfac", "pi": false, "free_biases": true})")
                           ->build(rows, layers, damp);
  EXPECT_NEAR(inverse->diagonal()[0], a22 / det, 1e-12);
  EXPECT_NEAR(inverse->diagonal()[1], a11 / det, 1e-12);
}

TEST(Kfac, JointUpdateByConjugateGradientsIsTheConstrainedMinimum) {
  KroneckerFactor f{.columns = {0, 12}, .outputs = 3, .inputs = 4};
  const std::vector<double> a = random_values(40, 1), s = random_values(30, 2);
  f.a.assign(16, 0.0);
  f.s.assign(9, 0.0);
  for (std::size_t n = 0; n < 10; ++n) {
    for (std::size_t i = 0; i < 16; ++i) f.a[i] += a[n * 4 + i / 4] * a[n * 4 + i % 4] / 10;
    for (std::size_t i = 0; i < 9; ++i) f.s[i] += s[n * 3 + i / 3] * s[n * 3 + i % 3] / 10;
  }
  FactorsOnly rows;
  rows.factors = {f};
  const std::vector<Range> layers{{0, 12}};
  const auto kind = made<InverseSettings>("\"kfac\"");
  const auto inverse = kind->build(rows, layers, 1e-3);
  const std::vector<double> w = random_values(12, 3);
  const QuadraticModel model{.w = w, .rows = &rows, .layers = layers, .damp = 1e-3, .kind = kind.get()};
  std::vector<bool> removed(12, false);
  removed[1] = removed[2] = removed[7] = removed[11] = true;
  const std::vector<double> delta = compensate(model, {removed}, UpdateMode::joint);
  // At the constrained minimum F delta vanishes on the kept weights, so delta = F^-1 (something on Q only).
  std::vector<double> on_q(12, 0.0), back(12);
  std::vector<Index> q{1, 2, 7, 11};
  std::vector<double> m = inverse->submatrix(q);  // solve [F^-1]_QQ x = -w_Q densely
  std::vector<double> x(4);
  for (std::size_t i = 0; i < 4; ++i) x[i] = -w[q[i]];
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t r = i + 1; r < 4; ++r) {
      const double factor = m[r * 4 + i] / m[i * 4 + i];
      for (std::size_t c = 0; c < 4; ++c) m[r * 4 + c] -= factor * m[i * 4 + c];
      x[r] -= factor * x[i];
    }
  for (std::size_t i = 4; i-- > 0;) {
    for (std::size_t c = i + 1; c < 4; ++c) x[i] -= m[i * 4 + c] * x[c];
    x[i] /= m[i * 4 + i];
  }
  for (std::size_t i = 0; i < 4; ++i) on_q[q[i]] = x[i];
  inverse->apply(on_q, back);
  double scale = 0;
  for (const double v : back) scale = std::max(scale, std::abs(v));
  for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(delta[i], back[i], 1e-9 * scale);
}

}  // namespace
}  // namespace espalier
