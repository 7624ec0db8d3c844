#include "framework/autograd/second_order.h"

#include <algorithm>

#include "framework/autograd/arithmetic.h"
#include "framework/autograd/backward.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/softmax.h"

namespace espalier {
namespace {

void check_graph(const char* op, const Var& y) {
  require(y.requires_grad(), "[{}] there is no graph to differentiate: was it made with recording off?", op);
}

void check_vector(const char* op, std::span<const Var> parameters, std::span<const Tensor> v) {
  require(parameters.size() == v.size(), "[{}] {} parameters and {} vectors", op, parameters.size(),
          v.size());
  for (std::size_t i = 0; i < v.size(); ++i)
    require(parameters[i].shape() == v[i].shape(), "[{}] parameter {} has shape {}, its vector {}", op, i,
            parameters[i].shape(), v[i].shape());
}

/// sum_i <gradients_i, v_i>, differentiable in whatever the gradients depend on.
Var inner_product(std::span<const Var> gradients, std::span<const Tensor> v) {
  Var sum(Tensor::zeros({1}));
  for (std::size_t i = 0; i < v.size(); ++i) sum = add(sum, dot(gradients[i], Var(v[i])));
  return sum;
}

ParameterVector values(const std::vector<Var>& vars) {
  ParameterVector result;
  for (const Var& v : vars) result.push_back(v.value());
  return result;
}

/// (diag(p) - p p') u for each row, p = softmax(logits).
Tensor softmax_curvature(const Tensor& logits, const Tensor& u) {
  const Index n = logits.shape()[0], k = logits.shape()[1];
  Tensor p = Tensor::uninitialized(logits.shape());
  kernels::softmax(n, k, logits.data(), p.data());
  for (Index e = 0; e < n; ++e) {
    Real* row = p.data() + e * k;
    const Real* direction = u.data() + e * k;
    double mean = 0;
    for (Index c = 0; c < k; ++c) mean += static_cast<double>(row[c]) * static_cast<double>(direction[c]);
    for (Index c = 0; c < k; ++c) row[c] *= direction[c] - static_cast<Real>(mean);
  }
  return p;
}

void check_logits(const char* op, const Var& logits) {
  require(logits.shape().rank() == 2, "[{}] needs logits [n, classes], got {}", op, logits.shape());
}

}  // namespace

ParameterVector hessian_vector(const Var& loss, std::span<const Var> parameters, std::span<const Tensor> v) {
  check_graph("hessian_vector", loss);
  check_vector("hessian_vector", parameters, v);
  const Recording on(true);
  const std::vector<Var> g = grad(loss, parameters, {.create_graph = true});
  return values(grad(inner_product(g, v), parameters));
}

Tensor jacobian_vector(const Var& y, std::span<const Var> parameters, std::span<const Tensor> v) {
  check_graph("jacobian_vector", y);
  check_vector("jacobian_vector", parameters, v);
  const Recording on(true);
  const Var u(Tensor::zeros(y.shape()), true);  // any value will do: J'u is linear in u
  const std::vector<Var> transposed = grad(y, parameters, {.create_graph = true}, u);
  return grad(inner_product(transposed, v), std::span(&u, 1))[0].value();
}

ParameterVector gauss_newton_vector(const Var& logits, std::span<const Var> parameters,
                                    std::span<const Tensor> v) {
  check_logits("gauss_newton_vector", logits);
  const Tensor u = softmax_curvature(logits.value(), jacobian_vector(logits, parameters, v));
  return values(grad(logits, parameters, {}, Var(u)));
}

Tensor hessian_block(const Var& loss, const Var& rows, const Var& columns) {
  check_graph("hessian_block", loss);
  const Recording on(true);
  const Var g = grad(loss, std::span(&rows, 1), {.create_graph = true})[0];
  Tensor block = Tensor::uninitialized({rows.value().size(), columns.value().size()});
  Tensor unit = Tensor::zeros(rows.shape());
  for (Index i = 0; i < unit.size(); ++i) {
    unit.data()[i] = 1;
    const Tensor row = grad(g, std::span(&columns, 1), {}, Var(unit))[0].value();
    std::copy_n(row.data(), row.size(), block.data() + i * row.size());
    unit.data()[i] = 0;
  }
  return block;
}

Tensor gauss_newton_block(const Var& logits, const Var& rows, const Var& columns) {
  check_graph("gauss_newton_block", logits);
  check_logits("gauss_newton_block", logits);
  const Index outputs = logits.value().size();
  const Index r = rows.value().size(), c = columns.value().size();
  // Row (n, k) of `left` is a row of J over `rows`;
  // `right` is J over `columns`, multiplied by diag(p) - p p'.
  Tensor left = Tensor::uninitialized({outputs, r}), right = Tensor::uninitialized({outputs, c});
  Tensor unit = Tensor::zeros(logits.shape());
  for (Index i = 0; i < outputs; ++i) {
    unit.data()[i] = 1;
    const Var seed(softmax_curvature(logits.value(), unit));  // zero for the other examples
    std::copy_n(grad(logits, std::span(&rows, 1), {}, Var(unit))[0].value().data(), r, left.data() + i * r);
    std::copy_n(grad(logits, std::span(&columns, 1), {}, seed)[0].value().data(), c, right.data() + i * c);
    unit.data()[i] = 0;
  }
  Tensor block = Tensor::uninitialized({r, c});
  kernels::gemm(kernels::Transpose::yes, kernels::Transpose::no, r, c, outputs, 1, left.data(), r,
                right.data(), c, 0, block.data(), c);
  return block;
}

}  // namespace espalier
