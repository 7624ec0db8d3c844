// CIFARNet's fc1 has 36,864 weights: its block would take 10.9 GB. Diagonal, products, leading
// eigenvalues and a part of the block must be had without it, within a stated bound on memory, and agree with
// one another; and the layer-block identity must hold on this network too.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "framework/autograd/backward.h"
#include "framework/config/reader.h"
#include "pruning/curvature/compare.h"
#include "pruning/curvature/dense.h"
#include "pruning/curvature/lanczos.h"
#include "pruning/curvature/products.h"
#include "tests/support/curvature.h"
#include "tests/support/pruning.h"

namespace espalier::test {
namespace {

/// The resident set now, in bytes.
double resident() {
  double pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * 4096;
}

struct CifarNet {
  std::unique_ptr<Model> model = made<ModelSettings>("\"cifarnet\"")->build({32, 32, 3}, 10, 1);
  TensorExamples examples = random_examples(24, {32, 32, 3}, 10, 5);
  ParameterId layer(const std::string& name) const {
    const auto& infos = model->store().infos();
    for (std::size_t i = 0; i < infos.size(); ++i)
      if (infos[i].name == name + ".weight") return static_cast<ParameterId>(i);
    return -1;
  }
};

TEST(LargeLayer, HessianIsGaussNewtonInEveryLayerOfCifarNet) {
  const CifarNet net;
  for (const char* name : {"conv1", "conv2", "conv3", "fc1", "fc2"}) {
    const auto hessian = curvature_product(*net.model, net.examples, {net.layer(name)}, Hessian{}),
               gauss_newton =
                   curvature_product(*net.model, net.examples, {net.layer(name)}, FisherKind::exact);
    const std::vector<double> v = random_values(static_cast<std::size_t>(hessian->size()), 1);
    std::vector<double> a(v.size()), b(v.size());
    hessian->apply(v, a);
    gauss_newton->apply(v, b);
    EXPECT_GT(frobenius_norm(a), 0);
    EXPECT_LE(relative_difference(b, a), sizeof(Real) == 8 ? 1e-10 : 1e-4) << name;
  }
}

TEST(LargeLayer, Fc1WithoutItsBlock) {
  const CifarNet net;
  const ParameterId fc1 = net.layer("fc1");
  [[maybe_unused]] const double before = resident();
  const CurvatureRows rows(*net.model, net.examples, {fc1}, Hessian{});
  ASSERT_EQ(rows.cols(), 36864);
  const std::vector<double> diagonal = curvature_diagonal(rows);
  // A part of the block and a product must be parts of the same matrix.
  const SquareMatrix part = curvature_block({*net.model, net.examples, {fc1}, Hessian{}, {}, {0, 300}});
  const double close =
      (sizeof(Real) == 8 ? 1e-10 : 1e-4) * *std::max_element(diagonal.begin(), diagonal.end());
  const auto product = curvature_product(*net.model, net.examples, {fc1}, FisherKind::exact);
  std::vector<double> unit(36864, 0.0), column(36864);
  unit[11] = 1;
  product->apply(unit, column);
  EXPECT_NEAR(column[11], diagonal[11], close);
  for (Index j = 0; j < 300; ++j) EXPECT_NEAR(part(11, j), column[j], close) << j;

  const Eigenvalues found =
      lanczos(*product, {.largest = 5, .most_steps = 80, .tolerance = 1e-5, .vectors = true});
  EXPECT_TRUE(found.settled);
  ASSERT_EQ(found.largest.size(), 5u);
  double trace = 0;
  for (const double d : diagonal) trace += d;
  EXPECT_LT(found.largest[0].value, trace);
  product->apply(found.largest[0].vector, column);  // Rayleigh's quotient
  EXPECT_NEAR(inner_product(found.largest[0].vector, column), found.largest[0].value,
              1e-4 * found.largest[0].value);

  // The bound: a panel of rows, the vectors of Lanczos (and their copy while the array grows), and the graphs
  // of the micro-batch. The block would be 10.9 GB.
  const double bound = rows.panel_bytes() + 3 * Eigenvalues::bytes(36864, 80) + 200e6;
#ifndef __SANITIZE_ADDRESS__  // which keeps freed memory
  EXPECT_LT(resident() - before, bound);
#endif
  EXPECT_LT(bound, 400e6);
}

}  // namespace
}  // namespace espalier::test
