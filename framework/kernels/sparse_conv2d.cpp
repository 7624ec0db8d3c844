// sparse_conv2d.cpp: lays the kept weights of a layer out for simd/sparse.h, and cuts its work.
#include "framework/kernels/sparse_conv2d.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

/// Cycles for one tap on all pixels of a tile, in multiply-adds: each block adds the two loads of the tap.
double cost_of_tap(Index height, Index width, Index rows, Index columns) {
  const Index cuts = (width + columns - 1) / columns, full = height / rows, left = height % rows;
  const Index down = full + (left >= 2) + left % 2;
  return static_cast<double>(height * width) + 1.6 * static_cast<double>(down * cuts);
}

/// Values of input that one block of pixels reads of one channel.
Index window_values(const ConvGeometry& g, Index rows, Index columns) {
  return ((rows - 1) * g.stride.h + g.kernel_h) * ((columns - 1) * g.stride.w + g.kernel_w);
}

/// The registers' block with the fewest cycles; the one that reads the least input where the difference is small. More
/// than 16 pixels gain nothing, as fewer input channels then fit into the cache.
SparseCut choose_cut(const ConvGeometry& g, const BlockedShape& out, Index most_pixels, Index nonzeros,
                     SparseCut cut) {
  if (cut.rows == 0 || cut.columns == 0) {
    double best = std::numeric_limits<double>::infinity();
    for (const Index rows : {1, 2, 4})
      for (Index columns = 1; columns * rows <= std::min<Index>(most_pixels, 16) && columns <= out.tile_w;
           ++columns) {
        if (rows > out.tile_h) continue;
        const double read =
            static_cast<double>(window_values(g, rows, columns)) / static_cast<double>(rows * columns);
        const double cost = cost_of_tap(out.tile_h, out.tile_w, rows, columns) * (1 + 0.002 * read);
        if (cost < best) best = cost, cut.rows = rows, cut.columns = columns;
      }
  }
  if (cut.in_block == 0) {
    // What the first-level cache holds of blocks of 2 x 8 pixels and 64 bytes; but some 20 taps between loading sums
    // and storing them again.
    constexpr Index cached = 32 * 1024 / 64, taps_of_a_run = 20;
    const Index fitting = cached / window_values(g, 2, 8);
    const Index worthwhile = taps_of_a_run * g.in_c * g.out_c / std::max<Index>(nonzeros, 1) + 1;
    const Index least = std::clamp<Index>(std::max(fitting, worthwhile), 1, g.in_c);
    const Index blocks = g.in_c / least;  // each at least as large
    cut.in_block = (g.in_c + blocks - 1) / blocks;
  }
  return cut;
}

/// Taps in the order input channel, row, column.
SparseTaps taps_of(const ConvGeometry& g, const Real* w, const Real* bias, const BlockedShape& in,
                   Index in_block, Index lists) {
  require(in.group() < std::numeric_limits<std::int32_t>::max(),
          "[sparse_conv2d] a group of {} values is too large for offsets of 32 bits", in.group());
  SparseTaps::Source source{.channels = g.out_c,
                            .weights = w,
                            .weight_at = {},
                            .offset = {},
                            .block = in_block * g.kernel_h * g.kernel_w};
  for (Index i = 0; i < g.in_c; ++i)
    for (Index y = 0; y < g.kernel_h; ++y)
      for (Index x = 0; x < g.kernel_w; ++x) {
        source.weight_at.push_back((y * g.kernel_w + x) * g.in_c + i);
        source.offset.push_back(static_cast<std::int32_t>(i * in.plane() + y * g.dilation.h * in.row() +
                                                          x * g.dilation.w * in.pixel()));
      }
  return {source, bias, lists};
}

Index count_nonzeros(Index n, const Real* w) { return n - std::count(w, w + n, Real(0)); }

SparseTaps linear_taps(Index in, Index out, const Real* w, const Real* bias, Index step) {
  SparseTaps::Source source{.channels = out, .weights = w, .weight_at = {}, .offset = {}, .block = in};
  for (Index i = 0; i < in; ++i) {
    source.weight_at.push_back(i);
    source.offset.push_back(static_cast<std::int32_t>(i * step));
  }
  return {source, bias, 1};
}

}  // namespace

BlockedWindow sparse_window(const ConvGeometry& g) {
  const Extent2 extent{(g.kernel_h - 1) * g.dilation.h + 1, (g.kernel_w - 1) * g.dilation.w + 1};
  return {extent, g.stride, g.pad};
}

SparseTaps::SparseTaps(const Source& source, const Real* bias, Index lists)
    : parts_(std::clamp<Index>(lists, 1, std::max<Index>(source.channels, 1))), bias_(source.channels) {
  if (bias) std::copy_n(bias, source.channels, bias_.begin());
  const Index taps = static_cast<Index>(source.offset.size()),
              blocks = std::max<Index>(1, (taps + source.block - 1) / source.block);
  std::vector<Index> before(source.channels +
                            1);  // taps of earlier channels; an empty channel costs its stores
  for (Index o = 0; o < source.channels; ++o)
    before[o + 1] = before[o] + count_nonzeros(taps, source.weights + o * taps) + 4;
  nonzeros_ = before.back() - 4 * source.channels;
  const Index parts = static_cast<Index>(parts_.size());
  for (Index p = 0; p < parts; ++p) {
    Part& part = parts_[p];
    const auto cut = [&](Index k) {
      return std::ranges::lower_bound(before, before.back() * k / parts) - before.begin();
    };
    part.channels = {cut(p), cut(p + 1)};
    for (Index b = 0; b < blocks; ++b) {
      part.first_run.push_back(static_cast<Index>(part.runs.size()));
      part.first_tap.push_back(static_cast<Index>(part.taps.size()));
      const Index begin = b * source.block, end = std::min(begin + source.block, taps);
      // Runs of equal length follow each other, so that the end of a run's loop is foreseen.
      std::vector<std::vector<SparseTap>> of_channel(source.channels);
      for (Index o = part.channels.begin; o < part.channels.end; ++o)
        for (Index k = begin; k < end; ++k)
          if (const Real w = source.weights[o * taps + source.weight_at[k]]; w != 0)
            of_channel[o].push_back({source.offset[k], w});
      std::vector<Index> runs(part.channels.size());
      std::iota(runs.begin(), runs.end(), part.channels.begin);
      std::ranges::stable_sort(runs,
                               [&](Index x, Index y) { return of_channel[x].size() < of_channel[y].size(); });
      for (const Index o : runs) {
        if (of_channel[o].empty() && b > 0 && b + 1 < blocks) continue;
        part.runs.push_back({static_cast<std::int32_t>(o), static_cast<std::int32_t>(of_channel[o].size())});
        part.taps.insert(part.taps.end(), of_channel[o].begin(), of_channel[o].end());
      }
    }
    part.first_run.push_back(static_cast<Index>(part.runs.size()));
    part.first_tap.push_back(static_cast<Index>(part.taps.size()));
  }
}

SparseList SparseTaps::list(Index k) const {
  const Part& part = parts_[k];
  return {.blocks = static_cast<Index>(part.first_run.size()) - 1,
          .first_run = part.first_run.data(),
          .first_tap = part.first_tap.data(),
          .runs = part.runs.data(),
          .taps = part.taps.data(),
          .bias = bias_.data()};
}

std::size_t SparseTaps::memory() const {
  std::size_t bytes = bias_.capacity() * sizeof(Real);
  for (const Part& part : parts_)
    bytes += sizeof(Part) + part.runs.capacity() * sizeof(SparseRun) +
             part.taps.capacity() * sizeof(SparseTap) +
             (part.first_run.capacity() + part.first_tap.capacity()) * sizeof(Index);
  return bytes;
}

SparseConv2d::SparseConv2d(const ConvGeometry& g, const Real* w, const Real* bias, const BlockedShape& in,
                           const BlockedShape& out, Index lists, SparseCut cut)
    : simd_(instruction_set()),
      in_(in),
      out_(out),
      pad_(g.pad),
      cut_(choose_cut(g, out, simd_.blocked->most_pixels, count_nonzeros(g.weight().size(), w), cut)),
      steps_{.out_h = out.tile_h,
             .out_w = out.tile_w,
             .rows = cut_.rows,
             .columns = cut_.columns,
             .stride = g.stride.w,
             .x_row = g.stride.h * in.row(),
             .y_row = out.row(),
             .y_plane = out.plane(),
             .add_row = 0,
             .add_plane = 0,
             .relu = false},
      taps_(taps_of(g, w, bias, in, cut_.in_block, lists)) {
  require(g.groups == 1 && in.grid.lanes() == simd_.lanes && in.channels == g.in_c && out.channels == g.out_c,
          "[sparse_conv2d] {} groups, {} lanes of {}, channels {} -> {} of {} -> {}", g.groups,
          in.grid.lanes(), simd_.lanes, in.channels, out.channels, g.in_c, g.out_c);
  check_tiles(in, out, sparse_window(g));
}

void SparseConv2d::run(Index n, const Real* x, bool relu, Real* y, const Real* add,
                       const BlockedShape& add_shape) const {
  SparseSteps steps = steps_;
  steps.relu = relu;
  if (add) {
    steps.add_row = add_shape.row();
    steps.add_plane = add_shape.plane();
  }
  const Index groups = in_.grid.groups(n), lists = taps_.lists();
  const Index window = in_.first() - pad_.h * in_.row() - pad_.w * in_.pixel();
  parallel_for(groups * lists, 1, [&](Range range) {
    for (Index k = range.begin; k < range.end; ++k) {
      const Index group = k / lists, list = k % lists;
      Real* const to = y + group * out_.group();
      simd_.blocked->sparse_conv(steps, taps_.list(list), x + group * in_.group() + window,
                                 add ? add + group * add_shape.group() + add_shape.first() : nullptr,
                                 to + out_.first());
      const Range channels = taps_.channels(list);
      fill_halos(out_, channels.size(), to + channels.begin * out_.plane());
    }
  });
}

void rows_to_columns(Index n, Index features, const Real* rows, Real* columns) {
  const Index lanes = instruction_set().lanes;
  parallel_for(column_blocks(n), 1, [&](Range blocks) {
    for (Index b = blocks.begin; b < blocks.end; ++b) {
      const Index first = b * column_examples, count = std::min(column_examples, n - first);
      const Index full = (count + lanes - 1) / lanes * lanes;
      Real* const to = columns + first * features;
      instruction_set().transpose(features, count, rows + first * features, features, to, column_examples);
      for (Index f = 0; full > count && f < features; ++f)
        std::fill(to + f * column_examples + count, to + f * column_examples + full, to[f * column_examples]);
    }
  });
}

void columns_to_rows(Index n, Index features, const Real* columns, Real* rows) {
  parallel_for(column_blocks(n), 1, [&](Range blocks) {
    for (Index b = blocks.begin; b < blocks.end; ++b) {
      const Index first = b * column_examples, count = std::min(column_examples, n - first);
      instruction_set().transpose(count, features, columns + first * features, column_examples,
                                  rows + first * features, features);
    }
  });
}

SparseLinear::SparseLinear(Index in, Index out, const Real* w, const Real* bias)
    : simd_(instruction_set()),
      in_(in),
      out_(out),
      rows_(linear_taps(in, out, w, bias, 1)),
      columns_(linear_taps(in, out, w, bias, column_examples)) {}

void SparseLinear::columns(Index n, const Real* x, bool relu, Real* y) const {
  parallel_for(column_blocks(n), 1, [&](Range blocks) {
    for (Index b = blocks.begin; b < blocks.end; ++b) {
      const Index count = std::min(column_examples, n - b * column_examples);
      const SparseSteps steps{.out_h = 1,
                              .out_w = (count + simd_.lanes - 1) / simd_.lanes,
                              .rows = 1,
                              .columns = 16,
                              .stride = 1,
                              .x_row = 0,
                              .y_row = 0,
                              .y_plane = column_examples,
                              .add_row = 0,
                              .add_plane = 0,
                              .relu = relu};
      simd_.blocked->sparse_conv(steps, columns_.list(0), x + b * column_examples * in_, nullptr,
                                 y + b * column_examples * out_);
    }
  });
}

void SparseLinear::rows(Index n, const Real* x, bool relu, Real* y) const {
  const Index chunk = std::max<Index>(1, 8192 / std::max<Index>(rows_.nonzeros(), 1));
  parallel_for(n, chunk, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e)
      simd_.blocked->sparse_row(rows_.list(0), x + e * in_, relu, y + e * out_);
  });
}

}  // namespace espalier::kernels
