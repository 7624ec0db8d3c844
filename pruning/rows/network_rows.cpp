#include "pruning/rows/network_rows.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "pruning/rows/curvature_rows.h"

namespace espalier {
namespace {

/// Hands each layer's reverse pass to whoever wants it.
struct Taps final : LayerTap {
  std::optional<KroneckerTap> kronecker;
  std::optional<FactoredTap> factored;
  bool wants(ParameterId layer) const override {
    return (kronecker && kronecker->wants(layer)) || (factored && factored->wants(layer));
  }
  bool in_order() const override { return kronecker.has_value(); }
  void accept(ParameterId layer, Index first, const Partial& partial) override {
    if (kronecker) kronecker->accept(layer, first, partial);
    if (factored) factored->accept(layer, first, partial);
  }
};

}  // namespace

NetworkRows::NetworkRows(const Model& model, std::vector<ParameterId> layers, const Examples& examples,
                         const RowOptions& options)
    : layers_(std::move(layers)), rows_(options.rows), centred_(options.fisher == FisherKind::centred) {
  const Index count = examples.size();
  if (options.fisher == FisherKind::exact) {
    gather_exact(model, examples, options);
    return;
  }
  Taps taps;
  if (options.kronecker) taps.kronecker.emplace(model, layers_);
  // A row that is the mean of several examples is no outer product any more.
  if (options.factored && count == rows_) taps.factored.emplace(model.store(), layers_, count);

  std::vector<ParameterId> dense;
  Index dense_columns = 0;
  for (const ParameterId id : layers_) {
    const Index size = model.store().infos()[id].range.size();
    Part part{.columns = {cols_, cols_ + size}, .dense = dense_columns, .factored = -1};
    if (taps.factored)
      for (std::size_t i = 0; i < taps.factored->layers().size(); ++i)
        if (taps.factored->layers()[i].columns == part.columns) part.factored = static_cast<int>(i);
    if (part.factored < 0) {
      dense.push_back(id);
      dense_columns += size;
    }
    parts_.push_back(part);
    cols_ += size;
  }
  dense_ = std::make_unique<StoredRows>(rows_, dense_columns, options.scratch_folder);
  FillOptions filling{.tap = taps.kronecker || taps.factored ? &taps : nullptr};
  if (options.fisher == FisherKind::sampled) filling.drawn_labels = options.seed;
  loss_ = fill_rows(model, dense, examples, *dense_, filling);
  if (taps.factored) factored_ = std::move(taps.factored->layers());
  if (taps.kronecker) kronecker_ = taps.kronecker->factors();

  if (filling.drawn_labels) {  // the gradient is that of the data all the same: a matrix of one row
    StoredRows data(1, cols_);
    loss_ = fill_rows(model, layers_, examples, data);
    mean_ = data.mean();
  } else {
    centred_ = false;  // the mean is that of the rows as they are
    mean_.resize(cols_);
    parallel_for(cols_, 512, [&](Range r) {
      std::vector<double> g(rows_ * r.size());
      load(r, g.data());
      std::vector<double> sum(r.size());
      for (Index m = 0; m < rows_; ++m)
        for (Index j = 0; j < r.size(); ++j) sum[j] += g[m * r.size() + j];
      for (Index j = 0; j < r.size(); ++j) mean_[r.begin + j] = sum[j] / static_cast<double>(rows_);
    });
    centred_ = options.fisher == FisherKind::centred;
  }
}

void NetworkRows::gather_exact(const Model& model, const Examples& examples, const RowOptions& options) {
  require(examples.size() == rows_, "[gradients] {} examples for {} rows: exact rows are of single ones",
          examples.size(), rows_);
  exact_ = std::make_unique<StoredRows>(CurvatureRows(model, examples, layers_, FisherKind::exact));
  rows_ = exact_->rows();
  cols_ = exact_->cols();
  StoredRows data(1, cols_);
  std::optional<KroneckerTap> tap;
  if (options.kronecker) tap.emplace(model, layers_);
  loss_ = fill_rows(model, layers_, examples, data, {.tap = tap ? &*tap : nullptr});
  mean_ = data.mean();
  if (tap) kronecker_ = tap->factors();
}

template <class T>
void NetworkRows::load_layer(std::size_t layer, Range columns, T* out, Index stride) const {
  const Part& part = parts_[layer];
  const Index width = columns.size();
  if (part.factored < 0) {
    const Index shift = part.dense - part.columns.begin;
    if (width == stride) return dense_->load({columns.begin + shift, columns.end + shift}, out);
    std::vector<T> panel(rows_ * width);
    dense_->load({columns.begin + shift, columns.end + shift}, panel.data());
    for (Index m = 0; m < rows_; ++m) std::copy_n(panel.data() + m * width, width, out + m * stride);
    return;
  }
  const FactoredLayer& f = factored_[part.factored];
  for (Index m = 0; m < rows_; ++m) {
    const Real *a = f.a.data() + m * f.inputs, *delta = f.delta.data() + m * f.outputs;
    T* row = out + m * stride;
    for (Index q = columns.begin - part.columns.begin; q < columns.end - part.columns.begin;) {
      const Index o = q / f.inputs, i = q % f.inputs;
      const Index run = std::min(f.inputs - i, columns.end - part.columns.begin - q);
      const Real d = delta[o];  // rounded to Real as a dense row would be
      for (Index k = 0; k < run; ++k) *row++ = static_cast<T>(d * a[i + k]);
      q += run;
    }
    if (!f.mask.empty())
      for (Index j = 0; j < width; ++j)
        out[m * stride + j] *= static_cast<T>(f.mask[columns.begin - part.columns.begin + j]);
  }
}

template <class T>
void NetworkRows::load_as(Range columns, T* out) const {
  if (exact_) return exact_->load(columns, out);
  const Index width = columns.size();
  for (std::size_t l = 0; l < parts_.size(); ++l) {
    const Range both{std::max(columns.begin, parts_[l].columns.begin),
                     std::min(columns.end, parts_[l].columns.end)};
    if (both.begin < both.end) load_layer(l, both, out + (both.begin - columns.begin), width);
  }
  if (centred_)
    for (Index m = 0; m < rows_; ++m)
      for (Index j = 0; j < width; ++j) out[m * width + j] -= static_cast<T>(mean_[columns.begin + j]);
}

template void NetworkRows::load_as(Range, double*) const;
template void NetworkRows::load_as(Range, float*) const;

std::vector<Range> NetworkRows::gram_ranges() const {
  std::vector<Range> ranges;
  for (const Part& part : parts_)
    if (!centred_ && part.factored >= 0 && factored_[part.factored].mask.empty())
      ranges.push_back(part.columns);
  return ranges;
}

void NetworkRows::add_gram(Range columns, double* gram) const {
  for (const Part& part : parts_) {
    if (!(part.columns == columns)) continue;
    // <delta_i a_i', delta_j a_j'> = (delta_i' delta_j)(a_i' a_j): two small Gram matrices.
    const FactoredLayer& f = factored_[part.factored];
    const auto square = static_cast<std::size_t>(rows_ * rows_);
    std::vector<double> inputs(square), outputs(square);
    const auto multiply = [&](const Tensor& x, Index width, std::vector<double>& product) {
      const std::vector<double> wide(x.values().begin(), x.values().end());
      kernels::syrk(rows_, width, 1, wide.data(), width, 0, product.data(), rows_);
    };
    multiply(f.a, f.inputs, inputs);
    multiply(f.delta, f.outputs, outputs);
    for (std::size_t k = 0; k < square; ++k) gram[k] += inputs[k] * outputs[k];
  }
}

}  // namespace espalier
