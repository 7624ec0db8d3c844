// blocked_cases.h: shapes of the blocked layout for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "framework/kernels/blocked_images.h"
#include "framework/kernels/instruction_set.h"
#include "tests/kernels/each_instruction_set.h"
#include "tests/support/arrays.h"

namespace espalier::test {

/// Two shapes that windows lead from and to.
struct BlockedPair {
  kernels::BlockedShape in, out;
};

/// The smallest tiles for it, or nothing if windows reach past the neighbouring tile. `spare` widens the halos.
inline std::optional<BlockedPair> blocked_pair(kernels::LaneGrid grid, const Shape& in, const Shape& out,
                                               const kernels::BlockedWindow& window, Index spare) {
  BlockedPair p{kernels::blocked_shape(grid, in[3], in[1], in[2], 0),
                kernels::blocked_shape(grid, out[3], out[1], out[2], 0)};
  const auto fit = [](Index tiles, Index in_size, Index out_size, Index stride, Index& in_tile,
                      Index& out_tile) {
    if (tiles == 1) return;
    out_tile = std::max((out_size + tiles - 1) / tiles, (in_size + tiles * stride - 1) / (tiles * stride));
    in_tile = out_tile * stride;
  };
  fit(grid.down, p.in.height, p.out.height, window.stride.h, p.in.tile_h, p.out.tile_h);
  fit(grid.across, p.in.width, p.out.width, window.stride.w, p.in.tile_w, p.out.tile_w);
  p.in.halo = std::max<Index>(0, kernels::halo_needed(p.in, p.out, window)) + spare;
  p.out.halo = spare;
  if (!kernels::tiles_meet(p.in, p.out, window)) return std::nullopt;
  return p;
}

/// At every instruction set: check(grid) for every number of images a group can have.
template <class Check>
void for_each_grid(Check check) {
  for_each_instruction_set([&] {
    const Index lanes = kernels::instruction_set().lanes;
    for (Index images = lanes; images >= 1 && lanes / images <= 16; images /= 2) {
      SCOPED_TRACE(testing::Message() << images << " images in " << lanes << " lanes");
      check(kernels::lane_grid(lanes, images));
    }
  });
}

/// A batch in the blocked layout. What the kernels must not need is NaN: lanes without an image, and for
/// several tiles the halos, which fill_halos writes. Halos of single tiles are zero, as clear_halos leaves
/// them.
struct Blocked {
  Blocked(const kernels::BlockedShape& s, Index count) : shape(s), n(count), values(poisoned(s.size(count))) {
    if (s.grid.tiles() == 1) kernels::clear_halos(s, s.grid.groups(n) * s.channels, values.data());
  }
  Blocked(const kernels::BlockedShape& s, Index count, const std::vector<Real>& images) : Blocked(s, count) {
    kernels::to_blocked(s, n, images.data(), values.data());
  }
  Real* data() { return values.data(); }
  /// NHWC, value by value.
  std::vector<Real> images() const {
    std::vector<Real> nhwc;
    for (Index e = 0; e < n; ++e)
      for (Index y = 0; y < shape.height; ++y)
        for (Index x = 0; x < shape.width; ++x)
          for (Index c = 0; c < shape.channels; ++c) nhwc.push_back(values[shape.at(e, c, y, x)]);
    return nhwc;
  }
  /// Whether every halo holds what the definition says: the image's values, or zeros outside it.
  void expect_halos() const {
    for (Index e = 0; e < n; ++e)
      for (Index c = 0; c < shape.channels; ++c)
        for (Index tile = 0; tile < shape.grid.tiles(); ++tile) {
          const Index top = tile / shape.grid.across * shape.tile_h,
                      left = tile % shape.grid.across * shape.tile_w;
          const Index lane = e % shape.grid.images * shape.grid.tiles() + tile;
          const Index plane = e / shape.grid.images * shape.group() + c * shape.plane() + lane;
          for (Index i = -shape.halo; i < shape.tile_h + shape.halo; ++i)
            for (Index j = -shape.halo; j < shape.tile_w + shape.halo; ++j) {
              const Index y = top + i, x = left + j;
              const bool inside = y >= 0 && y < shape.height && x >= 0 && x < shape.width;
              const Real expected = inside ? values[shape.at(e, c, y, x)] : Real(0);
              ASSERT_EQ(values[plane + shape.first() + i * shape.row() + j * shape.pixel()], expected)
                  << "image " << e << " channel " << c << " tile " << tile << " row " << i << " column " << j;
            }
        }
  }
  kernels::BlockedShape shape;
  Index n;
  std::vector<Real> values;
};

}  // namespace espalier::test
