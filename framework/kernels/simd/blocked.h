// blocked.h: moving values into and within the blocked layout (blocked_images.h). Pixels are vectors of
// images or tiles; only halos and the way to and from NHWC move values between lanes.
#pragma once

#include "framework/kernels/blocked_loops.h"
#include "framework/kernels/simd/lanes.h"
#include "framework/kernels/simd/sparse.h"

namespace espalier::kernels::ESPALIER_LEVEL {

/// Where the value of `lane` comes from if each tile takes what the tile dy below, dx to the right of it has;
/// `lanes` if that is outside the image.
template <int Down, int Across>
constexpr int neighbour(int lane, int dy, int dx) {
  const int y = lane / Across % Down + dy, x = lane % Across + dx;
  return y >= 0 && y < Down && x >= 0 && x < Across ? lane + dy * Across + dx : lanes;
}
template <int Down, int Across, int DY, int DX, int... I>
static inline Vector from_neighbours(Vector v, Count<I...>) {
  return __builtin_shufflevector(v, Vector{}, neighbour<Down, Across>(I, DY, DX)...);
}

/// The part of the planes' halos that belongs to the tiles dy below, dx to the right. Planes innermost: tiles
/// of a few pixels would end a loop at every other step.
template <int Down, int Across, int DY, int DX>
static void fill_side(const BlockedShape& s, Index count, Real* first) {
  const Index row = s.row(), plane = s.plane(), back = DY * s.tile_h * row + DX * s.tile_w * lanes;
  const Index top = DY < 0 ? -s.halo : DY > 0 ? s.tile_h : 0, rows = DY ? s.halo : s.tile_h;
  const Index left = DX < 0 ? -s.halo : DX > 0 ? s.tile_w : 0, columns = DX ? s.halo : s.tile_w;
  for (Index i = top; i < top + rows; ++i)
    for (Index j = left; j < left + columns; ++j) {
      Real* to = first + i * row + j * lanes;
      for (Index c = 0; c < count; ++c, to += plane)
        store(to, from_neighbours<Down, Across, DY, DX>(load(to - back), typename CountTo<lanes>::type()));
    }
}

/// All bits of the lanes whose tiles have the pixel (i, j) of a tile inside the image.
template <int Down, int Across>
static typename BitsOf<Vector>::type inside_image(const BlockedShape& s, Index i, Index j) {
  Unsigned keep[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    const Index y = lane / Across % Down * s.tile_h + i, x = lane % Across * s.tile_w + j;
    keep[lane] = y < s.height && x < s.width ? ~Unsigned{0} : Unsigned{0};
  }
  typename BitsOf<Vector>::type mask;
  __builtin_memcpy(&mask, keep, sizeof(mask));
  return mask;
}

/// Zeros where the pixels of a tile lie outside the image.
template <int Down, int Across>
static void clear_outside(const BlockedShape& s, Index count, Real* planes) {
  using Bits = typename BitsOf<Vector>::type;
  // Above and left of these every tile's pixel is inside.
  const Index full_h = s.height - (Down - 1) * s.tile_h, full_w = s.width - (Across - 1) * s.tile_w;
  for (Index i = 0; i < s.tile_h; ++i)
    for (Index j = i < full_h && full_w > 0 ? full_w : 0; j < s.tile_w; ++j) {
      const Bits mask = inside_image<Down, Across>(s, i, j);
      Real* at = planes + s.first() + i * s.row() + j * lanes;
      for (Index c = 0; c < count; ++c, at += s.plane())
        store(at, same_bits<Vector>(same_bits<Bits>(load(at)) & mask));
    }
}

template <int Down, int Across>
static void fill_tiles(const BlockedShape& s, Index count, Real* planes) {
  clear_outside<Down, Across>(s, count, planes);
  constexpr Index together = 8;  // planes that stay in the first-level cache
  if (s.halo == 0) return;
  for (Index c = 0; c < count; c += together) {
    Real* const first = planes + c * s.plane() + s.first();
    const Index some = smaller(together, count - c);
    fill_side<Down, Across, -1, -1>(s, some, first);
    fill_side<Down, Across, -1, 0>(s, some, first);
    fill_side<Down, Across, -1, 1>(s, some, first);
    fill_side<Down, Across, 0, -1>(s, some, first);
    fill_side<Down, Across, 0, 1>(s, some, first);
    fill_side<Down, Across, 1, -1>(s, some, first);
    fill_side<Down, Across, 1, 0>(s, some, first);
    fill_side<Down, Across, 1, 1>(s, some, first);
  }
}

static void fill_halos(const BlockedShape& s, Index count, Real* planes) {
  const Index tiles = s.grid.tiles();
  if (tiles == 2) fill_tiles<2, 1>(s, count, planes);
  if constexpr (lanes >= 4)
    if (tiles == 4) fill_tiles<2, 2>(s, count, planes);
  if constexpr (lanes >= 8)
    if (tiles == 8) fill_tiles<4, 2>(s, count, planes);
  if constexpr (lanes >= 16)
    if (tiles == 16) fill_tiles<4, 4>(s, count, planes);
}

/// Calls square(image of each of small_lanes lanes, where its row begins, value in the row, address of each value) for
/// the rows of all tiles, as many values at once as all of those lanes have, and single(image, value, whether it is
/// inside the image, address) for the rest. Addresses are in the group.
template <class Square, class Single>
static inline void for_each_row(const BlockedShape& s, Square square, Single single) {
  const Index values = s.tile_w * s.channels, plane = s.plane(), image_row = s.width * s.channels;
  // Of each lane: its image, the row of its first pixel, where that pixel lies, values of a row inside the image.
  Index image[lanes], top[lanes], first[lanes], inside[lanes];
  for (Index lane = 0, tile_y = 0, tile_x = 0, of = 0; lane < lanes; ++lane) {
    image[lane] = of;
    top[lane] = tile_y * s.tile_h;
    first[lane] = top[lane] * image_row + tile_x * values;
    inside[lane] = smaller(values, (s.width - tile_x * s.tile_w) * s.channels);
    if (inside[lane] < 0) inside[lane] = 0;
    if (++tile_x == s.grid.across) tile_x = 0, ++tile_y;
    if (tile_y == s.grid.down) tile_y = 0, ++of;
  }
  for (Index i = 0; i < s.tile_h; ++i)
    for (Index lane = 0; lane < lanes; lane += small_lanes) {
      Index start[small_lanes], count[small_lanes], common = values;
      for (Index k = 0; k < small_lanes; ++k) {
        start[k] = first[lane + k] + i * image_row;
        count[k] = top[lane + k] + i < s.height ? inside[lane + k] : 0;
        common = smaller(common, count[k]);
      }
      Index to = s.first() + i * s.row() + lane, channel = 0;
      const auto next = [&] {
        const Index at = to;
        to += plane;
        if (++channel == s.channels) channel = 0, to += lanes - s.channels * plane;
        return at;
      };
      Index v = 0;
      for (; v + small_lanes <= common; v += small_lanes) {
        Index at[small_lanes];
#pragma GCC unroll 4
        for (Index k = 0; k < small_lanes; ++k) at[k] = next();
        square(image + lane, start, v, at);
      }
      for (; v < values; ++v) {
        const Index at = next();
        for (Index k = 0; k < small_lanes; ++k) single(image[lane + k], start[k] + v, v < count[k], at + k);
      }
    }
}

static void load_images(const BlockedShape& s, const Real* const* images, Real* group) {
  for_each_row(
      s,
      [&](const Index* image, const Index* start, Index v, const Index* at) {
        SmallVector square[small_lanes];
#pragma GCC unroll 4
        for (int k = 0; k < small_lanes; ++k)
          square[k] = load_as<SmallVector>(images[image[k]] + start[k] + v);
        transpose_squares(square);
#pragma GCC unroll 4
        for (int k = 0; k < small_lanes; ++k) store(group + at[k], square[k]);
      },
      [&](Index image, Index value, bool inside, Index at) {
        group[at] = inside ? images[image][value] : Real(0);
      });
}

static void store_images(const BlockedShape& s, const Real* group, Real* const* images) {
  for_each_row(
      s,
      [&](const Index* image, const Index* start, Index v, const Index* at) {
        SmallVector square[small_lanes];
#pragma GCC unroll 4
        for (int k = 0; k < small_lanes; ++k) square[k] = load_as<SmallVector>(group + at[k]);
        transpose_squares(square);
#pragma GCC unroll 4
        for (int k = 0; k < small_lanes; ++k)
          if (images[image[k]]) store(images[image[k]] + start[k] + v, square[k]);
      },
      [&](Index image, Index value, bool inside, Index at) {
        if (inside && images[image]) images[image][value] = group[at];
      });
}

/// Calls visit(first value of a window, where its result goes) for every window of a plane.
template <class Visit>
static inline void for_each_blocked_window(const BlockedPool& g, const Real* x, Real* y, Visit visit) {
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      visit(x + p * g.stride * g.x_row + r * g.stride * lanes, y + p * g.y_row + r * lanes);
}
/// K is the window's extent, 0 if known at run time only: the usual ones have no loops.
template <int K>
static void max_windows(const BlockedPool& g, const Real* x, Real* y) {
  const Index kernel = K ? K : g.kernel, row = g.x_row;
  for_each_blocked_window(g, x, y, [&](const Real* from, Real* to) {
    Vector best = load(from);
#pragma GCC unroll 3
    for (Index h = 0; h < kernel; ++h)
#pragma GCC unroll 3
      for (Index w = 0; w < kernel; ++w) {
        const Vector value = load(from + h * row + w * lanes);
        best = value > best ? value : best;
      }
    store(to, g.relu ? rectified(best) : best);
  });
}
template <int K>
static void average_windows(const BlockedPool& g, const Real* x, Real* y) {
  const Index kernel = K ? K : g.kernel, row = g.x_row;
  const Real factor = Real(1) / static_cast<Real>(kernel * kernel);
  for_each_blocked_window(g, x, y, [&](const Real* from, Real* to) {
    Vector sum{};
#pragma GCC unroll 3
    for (Index h = 0; h < kernel; ++h)
#pragma GCC unroll 3
      for (Index w = 0; w < kernel; ++w) sum += load(from + h * row + w * lanes);
    store(to, sum * factor);
  });
}
static void max_pool_blocked(const BlockedPool& g, const Real* x, Real* y) {
  (g.kernel == 3 ? max_windows<3> : g.kernel == 2 ? max_windows<2> : max_windows<0>)(g, x, y);
}
static void average_pool_blocked(const BlockedPool& g, const Real* x, Real* y) {
  (g.kernel == 3 ? average_windows<3> : g.kernel == 2 ? average_windows<2> : average_windows<0>)(g, x, y);
}

static void add_blocked(Index height, Index width, bool relu, const Real* a, Index a_row, const Real* b,
                        Index b_row, Real* y, Index y_row) {
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j) {
      const Vector sum = load(a + i * a_row + j * lanes) + load(b + i * b_row + j * lanes);
      store(y + i * y_row + j * lanes, relu ? rectified(sum) : sum);
    }
}

static void sum_blocked(Index height, Index width, const Real* x, Index x_row, Real* sums) {
  Vector sum{};
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j) sum += load(x + i * x_row + j * lanes);
  store(sums, sum);
}

static const BlockedLoops blocked_loops = {
    .most_pixels = most_sparse_pixels,
    .sparse_conv = sparse_conv,
    .sparse_row = sparse_row,
    .fill_halos = fill_halos,
    .load_images = load_images,
    .store_images = store_images,
    .max_pool = max_pool_blocked,
    .average_pool = average_pool_blocked,
    .add = add_blocked,
    .sum = sum_blocked,
};

}  // namespace espalier::kernels::ESPALIER_LEVEL
