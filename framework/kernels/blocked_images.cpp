// blocked_images.cpp: the passes over blocked activations, cut into groups and, where there are few of those,
// into ranges of channels.
#include "framework/kernels/blocked_images.h"

#include <algorithm>
#include <vector>

#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/kernels/blocked_loops.h"
#include "framework/kernels/instruction_set.h"

namespace espalier::kernels {
namespace {

constexpr Index most_lanes = 64 / sizeof(Real);

const BlockedLoops& loops() { return *instruction_set().blocked; }

/// Calls visit(group, channels) on all threads. A range of channels has at least 16,384 values, some 2
/// microseconds.
template <class Visit>
void for_each_part(const BlockedShape& s, Index n, Visit visit) {
  const Index chunk = std::min(s.channels, std::max<Index>(1, 16384 / s.plane())),
              parts = (s.channels + chunk - 1) / chunk;
  parallel_for(s.grid.groups(n) * parts, 1, [&](Range r) {
    for (Index k = r.begin; k < r.end; ++k) {
      const Index begin = k % parts * chunk;
      visit(k / parts, Range{begin, std::min(begin + chunk, s.channels)});
    }
  });
}

/// Calls plane(x, y) for every channel of every group, and fills the halos of y.
template <class Plane>
void for_each_plane(const BlockedShape& in, const BlockedShape& out, Index n, const Real* x, Real* y,
                    Plane plane) {
  for_each_part(in, n, [&](Index group, Range channels) {
    Real* const to = y + group * out.group();
    for (Index c = channels.begin; c < channels.end; ++c)
      plane(x + group * in.group() + c * in.plane() + in.first(), to + c * out.plane() + out.first());
    fill_halos(out, channels.size(), to + channels.begin * out.plane());
  });
}

BlockedPool pool_steps(const PoolGeometry& g, const BlockedShape& in, const BlockedShape& out, bool relu) {
  check_tiles(in, out, {g.kernel, g.stride, 0});
  return {.out_h = out.tile_h,
          .out_w = out.tile_w,
          .kernel = g.kernel.h,
          .stride = g.stride.h,
          .x_row = in.row(),
          .y_row = out.row(),
          .relu = relu};
}

}  // namespace

LaneGrid lane_grid(Index lanes, Index images) {
  Index tiles = lanes / images, across = 1;
  require(tiles * images == lanes && tiles <= 16, "[lane_grid] {} images cannot share {} lanes", images,
          lanes);
  while (across * across * 4 <= tiles) across *= 2;
  return {.images = images, .down = tiles / across, .across = across};
}

BlockedShape blocked_shape(LaneGrid grid, Index channels, Index height, Index width, Index halo,
                           Index multiple) {
  const auto extent = [&](Index size, Index tiles) {
    if (tiles == 1) return size;
    const Index least = (size + tiles - 1) / tiles;
    return (least + multiple - 1) / multiple * multiple;
  };
  return {.grid = grid,
          .channels = channels,
          .height = height,
          .width = width,
          .tile_h = extent(height, grid.down),
          .tile_w = extent(width, grid.across),
          .halo = halo};
}

Index halo_needed(const BlockedShape& in, const BlockedShape& out, const BlockedWindow& w) {
  return std::max({w.pad.h, w.pad.w, (out.tile_h - 1) * w.stride.h - w.pad.h + w.extent.h - in.tile_h,
                   (out.tile_w - 1) * w.stride.w - w.pad.w + w.extent.w - in.tile_w});
}

bool tiles_meet(const BlockedShape& in, const BlockedShape& out, const BlockedWindow& w) {
  const auto along = [&](Index tiles, Index in_size, Index out_size, Index in_tile, Index out_tile,
                         Index stride) {
    return in_tile * tiles >= in_size && out_tile * tiles >= out_size &&
           (tiles == 1 || (in_tile == out_tile * stride && in.halo <= in_tile && out.halo <= out_tile));
  };
  return in.grid == out.grid && in.halo >= halo_needed(in, out, w) &&
         along(in.grid.down, in.height, out.height, in.tile_h, out.tile_h, w.stride.h) &&
         along(in.grid.across, in.width, out.width, in.tile_w, out.tile_w, w.stride.w);
}

void check_tiles(const BlockedShape& in, const BlockedShape& out, const BlockedWindow& w) {
  require(
      tiles_meet(in, out, w),
      "[blocked layout] tiles of {}x{} with halo {} do not lead to tiles of {}x{} (halo {}) through windows of {}x{}, "
      "stride {}x{}, padding {}x{}",
      in.tile_h, in.tile_w, in.halo, out.tile_h, out.tile_w, out.halo, w.extent.h, w.extent.w, w.stride.h,
      w.stride.w, w.pad.h, w.pad.w);
}

void fill_halos(const BlockedShape& s, Index count, Real* planes) {
  if (s.grid.tiles() > 1) loops().fill_halos(s, count, planes);
}

void clear_halos(const BlockedShape& s, Index count, Real* planes) {
  const Index side = s.halo * s.pixel();
  if (side == 0) return;
  for (Index c = 0; c < count; ++c)
    for (Index i = 0; i < s.tile_h + 2 * s.halo; ++i) {
      Real* const row = planes + c * s.plane() + i * s.row();
      if (i < s.halo || i >= s.halo + s.tile_h) {
        std::fill_n(row, s.row(), Real(0));
      } else {
        std::fill_n(row, side, Real(0));
        std::fill_n(row + s.row() - side, side, Real(0));
      }
    }
}

void to_blocked(const BlockedShape& s, Index n, const Real* images, Real* blocked) {
  const Index size = s.height * s.width * s.channels;
  parallel_for(s.grid.groups(n), 1, [&](Range groups) {
    const Real* of_lane[most_lanes];
    for (Index g = groups.begin; g < groups.end; ++g) {
      for (Index k = 0; k < s.grid.images; ++k)
        of_lane[k] = images + std::min(g * s.grid.images + k, n - 1) * size;
      loops().load_images(s, of_lane, blocked + g * s.group());
      fill_halos(s, s.channels, blocked + g * s.group());
    }
  });
}

void from_blocked(const BlockedShape& s, Index n, const Real* blocked, Real* images) {
  const Index size = s.height * s.width * s.channels;
  parallel_for(s.grid.groups(n), 1, [&](Range groups) {
    Real* of_lane[most_lanes];
    for (Index g = groups.begin; g < groups.end; ++g) {
      for (Index k = 0; k < s.grid.images; ++k)
        of_lane[k] = g * s.grid.images + k < n ? images + (g * s.grid.images + k) * size : nullptr;
      loops().store_images(s, blocked + g * s.group(), of_lane);
    }
  });
}

void max_pool_blocked(const PoolGeometry& g, const BlockedShape& in, const BlockedShape& out, Index n,
                      bool relu, const Real* x, Real* y) {
  const BlockedPool steps = pool_steps(g, in, out, relu);
  for_each_plane(in, out, n, x, y, [&](const Real* from, Real* to) { loops().max_pool(steps, from, to); });
}

void average_pool_blocked(const PoolGeometry& g, const BlockedShape& in, const BlockedShape& out, Index n,
                          const Real* x, Real* y) {
  const BlockedPool steps = pool_steps(g, in, out, false);
  for_each_plane(in, out, n, x, y,
                 [&](const Real* from, Real* to) { loops().average_pool(steps, from, to); });
}

void flatten_blocked(const BlockedShape& in, Index n, const Real* x, Real* y) {
  const Index pixels = in.height * in.width, features = in.channels * pixels;
  parallel_for(in.grid.groups(n), 1, [&](Range groups) {
    for (Index g = groups.begin; g < groups.end; ++g) {
      const Index first = g * in.grid.images, count = std::min(in.grid.images, n - first);
      const Real* const from = x + g * in.group();
      if (in.grid.tiles() == 1 && in.halo == 0) {
        instruction_set().transpose(count, features, from, in.pixel(), y + first * features, features);
        continue;
      }
      for (Index lane = 0; lane < count * in.grid.tiles(); ++lane) {
        const Index tile = lane % in.grid.tiles(), top = tile / in.grid.across * in.tile_h,
                    left = tile % in.grid.across * in.tile_w;
        Real* const to = y + (first + lane / in.grid.tiles()) * features;
        for (Index i = 0; i < in.tile_h && top + i < in.height; ++i)
          for (Index j = 0; j < in.tile_w && left + j < in.width; ++j) {
            const Real* const pixel = from + in.first() + i * in.row() + j * in.pixel() + lane;
            for (Index c = 0; c < in.channels; ++c)
              to[c * pixels + (top + i) * in.width + left + j] = pixel[c * in.plane()];
          }
      }
    }
  });
}

void global_average_pool_blocked(const BlockedShape& in, Index n, const Real* x, Real* y) {
  const Real factor = Real(1) / static_cast<Real>(in.height * in.width);
  const Index tiles = in.grid.tiles();
  for_each_part(in, n, [&](Index group, Range channels) {
    alignas(64) Real sums[most_lanes];
    for (Index c = channels.begin; c < channels.end; ++c) {
      loops().sum(in.tile_h, in.tile_w, x + group * in.group() + c * in.plane() + in.first(), in.row(), sums);
      for (Index k = 0; k < in.grid.images && group * in.grid.images + k < n; ++k) {
        Real sum = 0;
        for (Index t = 0; t < tiles; ++t) sum += sums[k * tiles + t];
        y[(group * in.grid.images + k) * in.channels + c] = sum * factor;
      }
    }
  });
}

void add_blocked(const BlockedShape& a_shape, const BlockedShape& b_shape, const BlockedShape& out, Index n,
                 bool relu, const Real* a, const Real* b, Real* y) {
  for_each_part(out, n, [&](Index group, Range channels) {
    Real* const to = y + group * out.group();
    for (Index c = channels.begin; c < channels.end; ++c)
      loops().add(out.tile_h, out.tile_w, relu,
                  a + group * a_shape.group() + c * a_shape.plane() + a_shape.first(), a_shape.row(),
                  b + group * b_shape.group() + c * b_shape.plane() + b_shape.first(), b_shape.row(),
                  to + c * out.plane() + out.first(), out.row());
    fill_halos(out, channels.size(), to + channels.begin * out.plane());
  });
}

}  // namespace espalier::kernels
