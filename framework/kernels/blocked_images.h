// blocked_images.h: activations with images innermost, the layout of the sparse kernels. One vector holds the
// same pixel of the same channel of many images, so that every lane is busy whatever the channels and
// extents, and no weight is ever moved between lanes.
//
// A group is what the lanes of a vector hold: `images` images of `down` x `across` tiles each. Large batches
// put 16 images into the 16 lanes; a single image is cut into 4 x 4 tiles, and its tiles take the lanes in
// the images' place. Memory: [group][channel][row of a tile][column of a tile][lane], with `halo` rows and
// columns around each tile. The halo holds what lies there in the image, or zeros outside it, so no loop
// tests for borders.
#pragma once

#include "framework/core/real.h"
#include "framework/core/shape.h"
#include "framework/kernels/pool2d.h"

namespace espalier::kernels {

/// How lanes are dealt out: lane = (image * down + tile row) * across + tile column.
struct LaneGrid {
  Index images, down = 1, across = 1;
  bool operator==(const LaneGrid&) const = default;
  Index lanes() const { return images * down * across; }
  Index tiles() const { return down * across; }
  /// Groups for a batch of `n`; the last one may be partly empty.
  Index groups(Index n) const { return (n + images - 1) / images; }
};

/// The grid of `lanes` lanes (a power of two) for groups of `images` images (a power of two, at most `lanes`,
/// and at least lanes / 16): 1, 2, 4, 8 or 16 tiles an image, as square as can be.
LaneGrid lane_grid(Index lanes, Index images);

struct BlockedShape {
  LaneGrid grid;
  Index channels, height, width;  ///< of an image
  Index tile_h, tile_w;           ///< of a tile; down * tile_h >= height, and the same across
  Index halo;                     ///< at most the tile's extents where there is more than one tile

  bool operator==(const BlockedShape&) const = default;
  /// Steps in values.
  Index pixel() const { return grid.lanes(); }
  Index row() const { return (tile_w + 2 * halo) * pixel(); }
  Index plane() const { return (tile_h + 2 * halo) * row(); }
  Index group() const { return channels * plane(); }
  /// Where the first pixel of a tile lies in its plane.
  Index first() const { return halo * (row() + pixel()); }
  Index size(Index n) const { return grid.groups(n) * group(); }
  /// Where a value of a batch lies: the definition of the layout.
  Index at(Index image, Index channel, Index y, Index x) const {
    const Index lane = (image % grid.images * grid.down + y / tile_h) * grid.across + x / tile_w;
    return image / grid.images * group() + channel * plane() + first() + y % tile_h * row() +
           x % tile_w * pixel() + lane;
  }
};

/// Images in tiles of the smallest extents that are multiples of `multiple`; a single tile is the image
/// itself.
BlockedShape blocked_shape(LaneGrid grid, Index channels, Index height, Index width, Index halo,
                           Index multiple = 1);

/// Windows over images: their extents (dilated), steps, and the zeros before the first pixel.
struct BlockedWindow {
  Extent2 extent, stride, pad;
};
/// Fails unless the windows lead from tiles of `in` to the same tiles of `out`:
/// several tiles need in = stride * out, and the halo of `in` must hold what the windows of one tile read of
/// the others.
void check_tiles(const BlockedShape& in, const BlockedShape& out, const BlockedWindow& window);
/// Whether they do, and the halo that `in` needs for them.
bool tiles_meet(const BlockedShape& in, const BlockedShape& out, const BlockedWindow& window);
Index halo_needed(const BlockedShape& in, const BlockedShape& out, const BlockedWindow& window);

/// Completes `count` planes from `planes` on, whose pixels have been written: values of tiles outside the
/// image become zero, halos what the neighbouring tiles have. Single tiles are left alone: their halo is zero
/// from clear_halos on.
void fill_halos(const BlockedShape& s, Index count, Real* planes);
/// Zeros into the halos of `count` planes.
void clear_halos(const BlockedShape& s, Index count, Real* planes);

/// NHWC images into groups, with halos. Lanes without an image repeat the last one. Parallel over groups.
void to_blocked(const BlockedShape& s, Index n, const Real* images, Real* blocked);
/// The way back.
void from_blocked(const BlockedShape& s, Index n, const Real* blocked, Real* images);

// The kernels below take `out` with the grid of `in`, and tiles of extent in / stride if there are several;
// they leave halos of `out` filled. Parallel over groups and channels.

/// y = max over the window (and 0 if `relu`), or its mean. The windows of `g` have no padding.
void max_pool_blocked(const PoolGeometry& g, const BlockedShape& in, const BlockedShape& out, Index n,
                      bool relu, const Real* x, Real* y);
void average_pool_blocked(const PoolGeometry& g, const BlockedShape& in, const BlockedShape& out, Index n,
                          const Real* x, Real* y);
/// y[n, c h w] = the flattened images in the order channel, row, column.
void flatten_blocked(const BlockedShape& in, Index n, const Real* x, Real* y);
/// y[n, c] = mean over all pixels.
void global_average_pool_blocked(const BlockedShape& in, Index n, const Real* x, Real* y);
/// y = a + b, then max(., 0) if `relu`. The three shapes differ in halo at most.
void add_blocked(const BlockedShape& a_shape, const BlockedShape& b_shape, const BlockedShape& out, Index n,
                 bool relu, const Real* a, const Real* b, Real* y);

}  // namespace espalier::kernels
