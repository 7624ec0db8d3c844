#include "pruning/curvature/products.h"

#include <algorithm>

#include "framework/autograd/backward.h"
#include "framework/autograd/second_order.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

std::vector<Var> parameters_of(const Model& model, std::span<const ParameterId> layers) {
  std::vector<Var> vars;
  for (const ParameterId id : layers) vars.push_back(model.store().var(id));
  return vars;
}

class Product final : public CurvatureOperator {
 public:
  Product(const Model& model, const Examples& examples, std::vector<ParameterId> layers, CurvatureKind kind,
          LabelDraw labels, Index per_pass)
      : model_(model),
        examples_(examples),
        layers_(std::move(layers)),
        columns_(layer_columns(model.store(), layers_)),
        kind_(kind),
        labels_(labels),
        per_pass_(per_pass) {
    require(!layers_.empty() && examples.size() > 0 && per_pass > 0,
            "[curvature_product] {} layers and {} examples", layers_.size(), examples.size());
  }

  Index size() const override { return columns_.back().end; }

  void apply(std::span<const double> v, std::span<double> out) const override {
    require(static_cast<Index>(v.size()) == size() && v.size() == out.size(),
            "[curvature_product] {} columns, {} values in, {} out", size(), v.size(), out.size());
    const std::vector<Var> parameters = parameters_of(model_, layers_);
    ParameterVector direction;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      Tensor t = Tensor::uninitialized(parameters[l].shape());
      const std::span<const Real> mask = mask_of(l);
      for (Index j = 0; j < t.size(); ++j)
        t.data()[j] = static_cast<Real>(v[columns_[l].begin + j]) * mask[j];
      direction.push_back(std::move(t));
    }
    std::fill(out.begin(), out.end(), 0.0);
    Batch batch;
    for (Index first = 0; first < examples_.size(); first += per_pass_) {
      examples_.load({first, std::min(first + per_pass_, examples_.size())}, batch);
      Pass pass;
      const Var logits = model_.forward(batch.images, pass);
      add_product(logits, batch, parameters, direction, out);
    }
    const double rows = static_cast<double>(examples_.size()) *
                        (kind_ == CurvatureKind(FisherKind::sampled) ? labels_.samples : 1);
    for (std::size_t l = 0; l < layers_.size(); ++l)
      for (Index j = 0; j < columns_[l].size(); ++j)
        out[columns_[l].begin + j] *= static_cast<double>(mask_of(l)[j]) / rows;
  }

 private:
  /// The sum over the batch of what each example's part of the matrix makes of the direction.
  void add_product(const Var& logits, const Batch& batch, const std::vector<Var>& parameters,
                   const ParameterVector& v, std::span<double> out) const {
    if (std::holds_alternative<Hessian>(kind_))
      return add(hessian_vector(cross_entropy(logits, batch.labels), parameters, v), out);
    switch (std::get<FisherKind>(kind_)) {
      case FisherKind::exact:
        return add(gauss_newton_vector(logits, parameters, v), out);
      case FisherKind::empirical:
        return add(outer_products(cross_entropy(logits, batch.labels), parameters, v), out);
      case FisherKind::sampled:
        for (int s = 0; s < labels_.samples; ++s) {
          const auto drawn = draw_labels(logits.value(), batch.examples, labels_.seed, s);
          add(outer_products(cross_entropy(logits, drawn), parameters, v), out);
        }
        return;
      case FisherKind::centred:
        fail(ExitCode::internal, "[curvature_product] centred Fishers have no products: use rows");
    }
  }

  /// sum_n g_n (g_n . v): the per-example losses' Jacobian and its transpose.
  static ParameterVector outer_products(const Var& losses, const std::vector<Var>& parameters,
                                        const ParameterVector& v) {
    const Tensor along = jacobian_vector(losses, parameters, v);
    ParameterVector result;
    for (const Var& g : grad(losses, parameters, {}, Var(along))) result.push_back(g.value());
    return result;
  }

  void add(const ParameterVector& part, std::span<double> out) const {
    for (std::size_t l = 0; l < layers_.size(); ++l)
      for (Index j = 0; j < part[l].size(); ++j)
        out[columns_[l].begin + j] += static_cast<double>(part[l].data()[j]);
  }

  std::span<const Real> mask_of(std::size_t l) const {
    const Range r = model_.store().infos()[layers_[l]].range;
    return model_.store().mask().subspan(r.begin, r.size());
  }

  const Model& model_;
  const Examples& examples_;
  std::vector<ParameterId> layers_;
  std::vector<Range> columns_;
  CurvatureKind kind_;
  LabelDraw labels_;
  Index per_pass_;
};

}  // namespace

std::unique_ptr<CurvatureOperator> curvature_product(const Model& model, const Examples& examples,
                                                     std::vector<ParameterId> layers, CurvatureKind kind,
                                                     LabelDraw labels, Index examples_per_pass) {
  return std::make_unique<Product>(model, examples, std::move(layers), kind, labels, examples_per_pass);
}

std::vector<double> hessian_block_by_products(const Model& model, const Examples& examples, ParameterId rows,
                                              ParameterId columns, Index examples_per_pass) {
  const ParameterStore& store = model.store();
  const Range r = store.infos()[rows].range, c = store.infos()[columns].range;
  std::vector<double> block(r.size() * c.size(), 0.0);
  Batch batch;
  for (Index first = 0; first < examples.size(); first += examples_per_pass) {
    examples.load({first, std::min(first + examples_per_pass, examples.size())}, batch);
    Pass pass;
    const Var losses = cross_entropy(model.forward(batch.images, pass), batch.labels);
    const Tensor part = hessian_block(losses, store.var(rows), store.var(columns));
    for (std::size_t i = 0; i < block.size(); ++i)
      block[i] += static_cast<double>(part.data()[static_cast<Index>(i)]);
  }
  const auto n = static_cast<double>(examples.size());
  for (Index i = 0; i < r.size(); ++i)
    for (Index j = 0; j < c.size(); ++j)
      block[i * c.size() + j] *=
          static_cast<double>(store.mask()[r.begin + i] * store.mask()[c.begin + j]) / n;
  return block;
}

}  // namespace espalier
