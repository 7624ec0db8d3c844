#include "pruning/rows/gradient_matrix.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "framework/core/parallel.h"
#include "framework/core/random.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/softmax.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

/// Puts the gradients of one pass's examples into their rows: the first to arrive is written, others (of a
/// mini-batch cut by the passes, of a weight used twice) are added.
class RowSink final : public GradientSink {
 public:
  RowSink(GradientMatrix& matrix, std::span<const ParameterId> layers, Index first, Index per_row,
          LayerTap* tap)
      : matrix_(matrix),
        layers_(layers),
        reached_(layers.size()),
        first_(first),
        per_row_(per_row),
        tap_(tap) {}

  bool wants(ParameterId parameter) const override {
    return std::find(layers_.begin(), layers_.end(), parameter) != layers_.end() ||
           (tap_ && tap_->wants(parameter));
  }
  void accept(ParameterId parameter, const Partial& partial) override {
    if (tap_) tap_->accept(parameter, first_, partial);
    const auto found = std::find(layers_.begin(), layers_.end(), parameter);
    if (found == layers_.end()) return;  // only the tap wanted it
    const auto layer = static_cast<std::size_t>(found - layers_.begin());
    const Range columns = matrix_.layer_columns()[layer];
    const bool again = std::exchange(reached_[layer], 1) != 0;
    const Index last = first_ + partial.examples();  // examples are numbered over all passes
    const Index first_row = first_ / per_row_, rows = (last - 1) / per_row_ + 1 - first_row;
    const Real share = Real(1) / static_cast<Real>(per_row_);
    parallel_for(rows, 1, [&](Range chunk) {
      for (Index m = first_row + chunk.begin; m < first_row + chunk.end; ++m) {
        const Range mine{std::max(m * per_row_, first_) - first_,
                         std::min((m + 1) * per_row_, last) - first_};
        Real* out = matrix_.row(m).data() + columns.begin;
        const bool add = again || m * per_row_ < first_;
        if (!add) partial.write(mine, out);
        if (!add && per_row_ == 1) continue;
        if (add)
          kernels::axpby(columns.size(), 1, out, share, partial(mine).data(), out);
        else
          kernels::scale(columns.size(), share, out, out);
      }
    });
  }
  /// Zeros for the layers that the losses do not depend on.
  void clear_unreached(Range rows) {
    for (std::size_t l = 0; l < reached_.size(); ++l)
      for (Index m = rows.begin; !reached_[l] && m < rows.end; ++m)
        std::fill_n(matrix_.row(m).data() + matrix_.layer_columns()[l].begin,
                    matrix_.layer_columns()[l].size(), Real(0));
  }

 private:
  GradientMatrix& matrix_;
  std::span<const ParameterId> layers_;
  std::vector<char> reached_;
  Index first_, per_row_;
  LayerTap* tap_;
};

/// One label for each row of logits, drawn from softmax(logits); a function of seed and example.
void draw_labels(const Tensor& logits, std::uint64_t seed, std::span<const Index> examples,
                 std::vector<std::int32_t>& labels) {
  const Index n = logits.shape()[0], classes = logits.shape()[1];
  Tensor p = Tensor::uninitialized(logits.shape());
  kernels::softmax(n, classes, logits.data(), p.data());
  for (Index e = 0; e < n; ++e) {
    const auto example = static_cast<std::size_t>(e);
    double u = Random(seed, Random::Use::labels, {static_cast<std::uint64_t>(examples[example])}).uniform();
    std::int32_t label = 0;
    while (label + 1 < classes && (u -= static_cast<double>(p.data()[e * classes + label])) >= 0) ++label;
    labels[example] = label;
  }
}

}  // namespace

GradientMatrix::GradientMatrix(const ParameterStore& store, std::vector<ParameterId> layers, Index rows,
                               const std::string& scratch_folder)
    : store_(store), layers_(std::move(layers)), rows_(rows) {
  for (const ParameterId id : layers_) {
    const Index size = store.infos()[id].range.size();
    columns_.push_back({cols_, cols_ + size});
    cols_ += size;
  }
  if (scratch_folder.empty()) {
    buffer_ = Tensor::uninitialized({rows_, cols_});
    values_ = buffer_.values();
  } else {
    const auto count = static_cast<std::size_t>(rows_ * cols_);
    scratch_.emplace(scratch_folder, count * sizeof(Real));
    values_ = {static_cast<Real*>(scratch_->data()), count};
  }
}

double GradientMatrix::fill(const Model& model, const ImageSet& set, const Preprocessing& preprocessing,
                            std::span<const Index> examples, const FillOptions& options) {
  const auto count = static_cast<Index>(examples.size());
  require(rows_ > 0 && count % rows_ == 0, "[gradients] {} examples don't divide into {} rows", count, rows_);
  // Rows are taken together by one thread from the images to G, so that its layers stay in its caches; how
  // many has no effect on the values.
  const Index per_row = count / rows_, per_pass = model.examples_in_cache();
  const Index rows_per_group = std::max<Index>(1, per_pass / per_row), per_group = rows_per_group * per_row;
  std::vector<Real> losses(examples.size());
  const auto fill_group = [&](Range group) {
    const Recording on(true);
    thread_local Batch batch;
    const Index last = group.end * per_row;
    for (Index first = group.begin * per_row; first < last; first += std::min(per_pass, per_group)) {
      const Index n = std::min({per_pass, per_group, last - first});
      const auto mine = examples.subspan(first, n);
      load_examples(set, preprocessing, mine, batch);
      Pass pass;
      const Var logits = model.forward(batch.images, pass);
      if (options.labels == FisherLabels::model)
        draw_labels(logits.value(), options.seed, mine, batch.labels);
      const Var loss = cross_entropy(logits, batch.labels);
      std::copy_n(loss.value().data(), n, losses.begin() + first);
      RowSink sink(*this, layers_, first, per_row, options.tap);
      backward(loss, Tensor::full({n}, 1), sink);  // summed losses: a row must be its own examples' gradient
      sink.clear_unreached({first / per_row, (first + n - 1) / per_row + 1});
    }
  };
  if (options.tap && options.tap->in_order())
    for (Index first = 0; first < rows_; first += rows_per_group)
      fill_group({first, std::min(first + rows_per_group, rows_)});
  else
    parallel_for(rows_, rows_per_group, fill_group);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Real* mask = store_.mask().data() + store_.infos()[layers_[l]].range.begin;
    const Index size = columns_[l].size();
    if (std::find(mask, mask + size, Real(0)) == mask + size) continue;
    parallel_for(rows_, 8, [&](Range r) {
      for (Index m = r.begin; m < r.end; ++m) {
        Real* part = row(m).data() + columns_[l].begin;
        kernels::keep_positive(size, part, mask, part);
      }
    });
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(count);
}

void GradientMatrix::load(Range columns, double* out) const {
  for (Index m = 0; m < rows_; ++m)
    for (Index j = columns.begin; j < columns.end; ++j) *out++ = static_cast<double>(values_[m * cols_ + j]);
}

std::vector<double> GradientMatrix::mean() const {
  std::vector<double> g(cols_, 0.0);
  parallel_for(cols_, 4096, [&](Range r) {
    for (Index m = 0; m < rows_; ++m)
      for (Index j = r.begin; j < r.end; ++j) g[j] += static_cast<double>(values_[m * cols_ + j]);
    for (Index j = r.begin; j < r.end; ++j) g[j] /= static_cast<double>(rows_);
  });
  return g;
}

double mean_loss(const Model& model, const ImageSet& set, const Preprocessing& preprocessing,
                 std::span<const Index> examples) {
  const Recording off(false);
  double loss = 0;
  Batch batch;
  constexpr std::size_t per_pass = 250;
  for (std::size_t first = 0; first < examples.size(); first += per_pass) {
    load_examples(set, preprocessing, examples.subspan(first, std::min(per_pass, examples.size() - first)),
                  batch);
    Pass pass;
    for (const Real l : cross_entropy(model.forward(batch.images, pass), batch.labels).value().values())
      loss += static_cast<double>(l);
  }
  return loss / static_cast<double>(examples.size());
}

}  // namespace espalier
