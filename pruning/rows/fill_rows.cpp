#include "pruning/rows/fill_rows.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "framework/core/parallel.h"
#include "framework/kernels/elementwise.h"
#include "framework/ops/ops.h"
#include "pruning/rows/labels.h"

namespace espalier {
namespace {

/// Puts the gradients of one pass's examples into their rows: the first to arrive is written, others (of a
/// mini-batch cut by the passes, of a weight used twice) are added.
class RowSink final : public GradientSink {
 public:
  RowSink(StoredRows& rows, std::span<const ParameterId> layers, std::span<const Range> columns, Index first,
          Index per_row, LayerTap* tap)
      : rows_(rows),
        layers_(layers),
        columns_(columns),
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
    const auto layer = found - layers_.begin();
    const Range columns = columns_[layer];
    const bool again = std::exchange(reached_[layer], 1) != 0;
    const Index last = first_ + partial.examples();  // examples are numbered over all passes
    const Index first_row = first_ / per_row_, rows = (last - 1) / per_row_ + 1 - first_row;
    const Real share = Real(1) / static_cast<Real>(per_row_);
    parallel_for(rows, 1, [&](Range chunk) {
      for (Index m = first_row + chunk.begin; m < first_row + chunk.end; ++m) {
        const Range mine{std::max(m * per_row_, first_) - first_,
                         std::min((m + 1) * per_row_, last) - first_};
        Real* out = rows_.row(m).data() + columns.begin;
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
        std::fill_n(rows_.row(m).data() + columns_[l].begin, columns_[l].size(), Real(0));
  }

 private:
  StoredRows& rows_;
  std::span<const ParameterId> layers_;
  std::span<const Range> columns_;
  std::vector<char> reached_;
  Index first_, per_row_;
  LayerTap* tap_;
};

}  // namespace

double fill_rows(const Model& model, std::span<const ParameterId> layers, const Examples& examples,
                 StoredRows& rows, const FillOptions& options) {
  const Index count = examples.size(), n_rows = rows.rows();
  const std::vector<Range> columns = layer_columns(model.store(), layers);
  require(n_rows > 0 && count % n_rows == 0, "[gradients] {} examples don't divide into {} rows", count,
          n_rows);
  require(columns.empty() || columns.back().end == rows.cols(),
          "[gradients] rows of {} columns for {} weights", rows.cols(),
          columns.empty() ? 0 : columns.back().end);
  // Rows are taken together by one thread from the images to G, so that its layers stay in its caches; how
  // many has no effect on the values.
  const Index per_row = count / n_rows, per_pass = model.examples_in_cache();
  const Index rows_per_group = std::max<Index>(1, per_pass / per_row), per_group = rows_per_group * per_row;
  std::vector<Real> losses(count);
  const auto fill_group = [&](Range group) {
    const Recording on(true);
    thread_local Batch batch;
    const Index last = group.end * per_row;
    for (Index first = group.begin * per_row; first < last; first += std::min(per_pass, per_group)) {
      const Index n = std::min({per_pass, per_group, last - first});
      examples.load({first, first + n}, batch);
      Pass pass;
      const Var logits = model.forward(batch.images, pass);
      if (options.drawn_labels)
        batch.labels = draw_labels(logits.value(), batch.examples, *options.drawn_labels);
      const Var loss = cross_entropy(logits, batch.labels);
      std::copy_n(loss.value().data(), n, losses.begin() + first);
      RowSink sink(rows, layers, columns, first, per_row, options.tap);
      backward(loss, Tensor::full({n}, 1), sink);  // summed losses: a row must be its own examples' gradient
      sink.clear_unreached({first / per_row, (first + n - 1) / per_row + 1});
    }
  };
  if (options.tap && options.tap->in_order())
    for (Index first = 0; first < n_rows; first += rows_per_group)
      fill_group({first, std::min(first + rows_per_group, n_rows)});
  else
    parallel_for(n_rows, rows_per_group, fill_group);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Real* mask = model.store().mask().data() + model.store().infos()[layers[l]].range.begin;
    const Index size = columns[l].size();
    if (std::find(mask, mask + size, Real(0)) == mask + size) continue;
    parallel_for(n_rows, 8, [&](Range r) {
      for (Index m = r.begin; m < r.end; ++m) {
        Real* part = rows.row(m).data() + columns[l].begin;
        kernels::keep_positive(size, part, mask, part);
      }
    });
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(count);
}

}  // namespace espalier
