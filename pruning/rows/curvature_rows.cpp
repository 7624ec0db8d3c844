#include "pruning/rows/curvature_rows.h"

#include <algorithm>
#include <cmath>

#include "framework/autograd/backward.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

constexpr double panel_target = 48e6;  // bytes: large enough for matrix products, small beside the block
constexpr Index most_examples = 256;   // bounds the graph of a micro-batch

/// Writes each example's gradient into its own row.
class OneRowEach final : public GradientSink {
 public:
  OneRowEach(const ParameterStore& store, std::span<const ParameterId> layers, Range columns, Real* rows)
      : store_(store),
        layers_(layers),
        all_(layer_columns(store, layers)),
        columns_(columns),
        rows_(rows),
        seen_(layers.size(), false) {}

  bool wants(ParameterId parameter) const override {
    return std::find(layers_.begin(), layers_.end(), parameter) != layers_.end();
  }
  void accept(ParameterId parameter, const Partial& partial) override {
    const auto l =
        static_cast<std::size_t>(std::find(layers_.begin(), layers_.end(), parameter) - layers_.begin());
    const Range place = all_[l];
    const Range part{std::max(place.begin, columns_.begin), std::min(place.end, columns_.end)};
    if (part.begin >= part.end) return;
    const bool add = seen_[l];  // a weight used at two places has two parts
    seen_[l] = true;
    const Real* mask = store_.mask().data() + store_.infos()[parameter].range.begin;
    const bool direct =
        !add && part == place && std::find(mask, mask + place.size(), Real(0)) == mask + place.size();
    parallel_for(partial.examples(), 1, [&](Range chunk) {
      for (Index n = chunk.begin; n < chunk.end; ++n) {
        Real* out = rows_ + n * columns_.size() - columns_.begin;
        if (direct) {
          partial.write({n, n + 1}, out + place.begin);
          continue;
        }
        const Tensor gradient = partial({n, n + 1});
        for (Index j = part.begin; j < part.end; ++j) {
          const Real g = gradient.data()[j - place.begin] * mask[j - place.begin];
          out[j] = add ? out[j] + g : g;
        }
      }
    });
  }
  bool complete() const { return std::find(seen_.begin(), seen_.end(), false) == seen_.end(); }

 private:
  const ParameterStore& store_;
  std::span<const ParameterId> layers_;
  std::vector<Range> all_;
  Range columns_;
  Real* rows_;
  std::vector<bool> seen_;
};

std::vector<double> probabilities(const Real* logits, Index k) {
  std::vector<double> p(k);
  const double largest = static_cast<double>(*std::max_element(logits, logits + k));
  double sum = 0;
  for (Index c = 0; c < k; ++c) sum += p[c] = std::exp(static_cast<double>(logits[c]) - largest);
  for (double& v : p) v /= sum;
  return p;
}

}  // namespace

void softmax_root(std::span<const double> p, Index c, std::span<double> out) {
  const auto k = p.size(), column = static_cast<std::size_t>(c);
  double after = 0;  // s_{c+1}
  for (std::size_t i = k; i > column + 1; --i) after += p[i - 1];
  const double from = after + p[column];
  std::fill(out.begin(), out.end(), 0.0);
  if (after <= 0 || from <= 0) return;  // p is all on the classes up to c: the rest of the factor is zero
  out[column] = std::sqrt(p[column] * (after / from));
  const double below = std::sqrt(p[column] / from);
  for (std::size_t i = column + 1; i < k; ++i) out[i] = -(p[i] / std::sqrt(after)) * below;
}

CurvatureRows::CurvatureRows(const Model& model, const Examples& examples, std::vector<ParameterId> layers,
                             CurvatureKind kind, LabelDraw labels, Range columns)
    : model_(model),
      examples_(examples),
      layers_(std::move(layers)),
      kind_(kind),
      labels_(labels),
      columns_(columns) {
  require(!layers_.empty(), "[curvature rows] no layer was named");
  require(kind != CurvatureKind(Hessian{}) || layers_.size() == 1,
          "[curvature rows] the Hessian equals Gauss-Newton within one layer only, and {} were named: use "
          "Hessian-vector products",
          layers_.size());
  require(!is(FisherKind::centred),
          "[curvature rows] centred rows need the mean of all rows, which a stream has not");
  if (kind == CurvatureKind(Hessian{})) require_gauss_newton(model, layers_);
  const Index all = layer_columns(model.store(), layers_).back().end;
  if (columns_ == Range{}) columns_ = {0, all};
  require(columns_.begin >= 0 && columns_.begin < columns_.end && columns_.end <= all,
          "[curvature rows] columns {}..{} of {}", columns_.begin, columns_.end, all);
  per_example_ = is(FisherKind::empirical) ? 1
                 : is(FisherKind::sampled) ? labels.samples
                                           : model.classes() - 1;
}

Index CurvatureRows::examples_per_panel() const {
  const double each = static_cast<double>(per_example_ * cols()) * sizeof(Real);
  return std::clamp(static_cast<Index>(panel_target / each), Index{1}, most_examples);
}
double CurvatureRows::panel_bytes() const {
  return static_cast<double>(examples_per_panel() * per_example_ * cols()) * sizeof(Real);
}

std::vector<Tensor> CurvatureRows::seeds(const Tensor& logits, const Batch& batch) const {
  const Index n = logits.shape()[0], k = logits.shape()[1];
  std::vector<Tensor> result;
  for (Index r = 0; r < per_example_; ++r) result.push_back(Tensor::uninitialized(logits.shape()));
  std::vector<std::vector<std::int32_t>> drawn;
  if (is(FisherKind::empirical)) drawn.push_back(batch.labels);
  if (is(FisherKind::sampled))
    for (int s = 0; s < labels_.samples; ++s)
      drawn.push_back(draw_labels(logits, batch.examples, labels_.seed, s));
  const double share = 1 / std::sqrt(static_cast<double>(std::max<std::size_t>(drawn.size(), 1)));
  std::vector<double> column(k);
  for (Index e = 0; e < n; ++e) {
    const std::vector<double> p = probabilities(logits.data() + e * k, k);
    for (Index r = 0; r < per_example_; ++r) {
      if (drawn.empty()) {
        softmax_root(p, r, column);
      } else {  // the gradient of -log p_y with respect to the logits is p - e_y
        const auto y = static_cast<Index>(drawn[r][e]);
        for (Index c = 0; c < k; ++c) column[c] = share * (p[c] - (c == y ? 1 : 0));
      }
      for (Index c = 0; c < k; ++c) result[r].data()[e * k + c] = static_cast<Real>(column[c]);
    }
  }
  return result;
}

void CurvatureRows::stream(Range range, FunctionRef<void(const RowPanel&)> use) const {
  const Index per_panel = examples_per_panel();
  Tensor panel = Tensor::uninitialized({std::min(per_panel, range.size()) * per_example_, cols()});
  Batch batch;
  for (Index first = range.begin; first < range.end; first += per_panel) {
    const Index n = std::min(per_panel, range.end - first);
    examples_.load({first, first + n}, batch);
    Pass pass;
    const Recording on(true);
    const Var logits = model_.forward(batch.images, pass);
    const std::vector<Tensor> outputs = seeds(logits.value(), batch);
    for (Index r = 0; r < per_example_; ++r) {
      OneRowEach sink(model_.store(), layers_, columns_, panel.data() + r * n * cols());
      backward(logits, outputs[r], sink, r + 1 < per_example_ ? Tape::keep : Tape::consume);
      require(sink.complete(), "[curvature rows] the logits do not depend on one of the layers");
    }
    use({{first, first + n}, n * per_example_, panel.data()});
  }
}

}  // namespace espalier
