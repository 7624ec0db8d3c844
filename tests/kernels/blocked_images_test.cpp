// blocked_images_test.cpp: the blocked layout against its definition (BlockedShape::at), and the passes in it
// against loops over NHWC images; every instruction set, every way to deal lanes out, odd extents.
#include "framework/kernels/blocked_images.h"

#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "tests/kernels/blocked_cases.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using Values = std::vector<Real>;

struct Extents {
  Index height, width, channels;
};
const Extents extents[] = {{32, 32, 3}, {15, 15, 4}, {7, 7, 5},   {8, 8, 16},
                           {3, 3, 2},   {9, 5, 1},   {28, 28, 1}, {1, 1, 7}};
const Index batches[] = {1, 2, 3, 16, 33};

template <class Check>
void for_each_batch(Check check) {
  for_each_grid([&](kernels::LaneGrid grid) {
    for (const Extents& e : extents)
      for (const Index n : batches) {
        SCOPED_TRACE(testing::Message()
                     << n << " images " << e.height << "x" << e.width << "x" << e.channels);
        check(grid, e, n);
      }
  });
}
/// The widest halo up to 2 that tiles of this grid can have.
Index halo_of(const kernels::BlockedShape& s) {
  return s.grid.tiles() == 1 ? 2 : std::min<Index>(2, std::min(s.tile_h, s.tile_w));
}

TEST(BlockedImages, LanesAreImagesOrTilesAsSquareAsCanBe) {
  using kernels::lane_grid;
  using kernels::LaneGrid;
  EXPECT_EQ(lane_grid(16, 16), (LaneGrid{16, 1, 1}));
  EXPECT_EQ(lane_grid(16, 8), (LaneGrid{8, 2, 1}));
  EXPECT_EQ(lane_grid(16, 4), (LaneGrid{4, 2, 2}));
  EXPECT_EQ(lane_grid(16, 2), (LaneGrid{2, 4, 2}));
  EXPECT_EQ(lane_grid(16, 1), (LaneGrid{1, 4, 4}));
  EXPECT_EQ(lane_grid(8, 1), (LaneGrid{1, 4, 2}));
  EXPECT_THROW(lane_grid(16, 3), Error);
  EXPECT_EQ(lane_grid(16, 4).groups(33), 9);
}

TEST(BlockedImages, HoldEveryValueWhereTheLayoutSaysAndComeBackUnchanged) {
  for_each_batch([](kernels::LaneGrid grid, const Extents& e, Index n) {
    kernels::BlockedShape s = kernels::blocked_shape(grid, e.channels, e.height, e.width, 0);
    s.halo = halo_of(s);
    const Values images = normal_values(n * e.height * e.width * e.channels, 1);
    Blocked blocked(s, n, images);
    ASSERT_EQ(blocked.images(), images);
    blocked.expect_halos();
    Values back = poisoned(static_cast<Index>(images.size()));
    kernels::from_blocked(s, n, blocked.data(), back.data());
    ASSERT_EQ(back, images);
  });
}

// Tiles may be larger than needed, so that later strides divide them: whole tiles then lie outside the image.
TEST(BlockedImages, WholeTilesOutsideTheImageAreZero) {
  for_each_grid([](kernels::LaneGrid grid) {
    const kernels::BlockedShape s = kernels::blocked_shape(grid, 3, 9, 9, 1, 8);
    const Values images = normal_values(2 * 9 * 9 * 3, 1);
    const Blocked blocked(s, 2, images);
    EXPECT_EQ(blocked.images(), images);
    blocked.expect_halos();
  });
}

struct Pool {
  Extents in;
  Index kernel, stride;
  PoolGeometry geometry() const {
    return {
        in.height, in.width, in.channels, (in.height - kernel) / stride + 1, (in.width - kernel) / stride + 1,
        kernel,    stride};
  }
};

TEST(BlockedImages, PoolAsNhwcImagesDo) {
  for_each_grid([](kernels::LaneGrid grid) {
    for (const Pool& pool : {Pool{{32, 32, 4}, 3, 2}, Pool{{15, 15, 4}, 3, 2}, Pool{{7, 7, 3}, 3, 2},
                             Pool{{24, 24, 2}, 2, 2}, Pool{{9, 7, 3}, 3, 2}, Pool{{5, 5, 1}, 3, 1}})
      for (const Index n : {1, 5, 17}) {
        const PoolGeometry g = pool.geometry();
        const auto pair = blocked_pair(grid, g.input(n), g.output(n), {g.kernel, g.stride, 0}, 1);
        if (!pair) continue;
        SCOPED_TRACE(fmt::format("{} kernel {} stride {}", g.input(n), g.kernel.h, g.stride.h));
        const Values images = normal_values(g.input(n).size(), 1);
        Values expected = poisoned(g.output(n).size()), which = expected;
        Blocked x(pair->in, n, images), y(pair->out, n);
        for (const bool relu : {false, true}) {
          kernels::max_pool(g, n, images.data(), relu, expected.data(), which.data());
          kernels::max_pool_blocked(g, pair->in, pair->out, n, relu, x.data(), y.data());
          ASSERT_EQ(y.images(), expected);
          y.expect_halos();
        }
        kernels::average_pool(g, n, images.data(), expected.data());
        kernels::average_pool_blocked(g, pair->in, pair->out, n, x.data(), y.data());
        ASSERT_LT(largest_difference(y.images(), expected), tolerance());
        y.expect_halos();
      }
  });
}

TEST(BlockedImages, FlattenAsFeaturesInTheOrderChannelRowColumn) {
  for_each_batch([](kernels::LaneGrid grid, const Extents& e, Index n) {
    const Values images = normal_values(n * e.height * e.width * e.channels, 1);
    kernels::BlockedShape s = kernels::blocked_shape(grid, e.channels, e.height, e.width, 0);
    for (const Index halo : {Index{0}, halo_of(s)}) {
      s.halo = halo;
      Blocked x(s, n, images);
      Values y = poisoned(static_cast<Index>(images.size()));
      kernels::flatten_blocked(s, n, x.data(), y.data());
      const Index pixels = e.height * e.width;
      for (Index k = 0; k < n; ++k)
        for (Index p = 0; p < pixels; ++p)
          for (Index c = 0; c < e.channels; ++c)
            ASSERT_EQ(y[(k * e.channels + c) * pixels + p], images[(k * pixels + p) * e.channels + c]);
    }
  });
}

TEST(BlockedImages, GlobalAveragesAreMeansOverPixels) {
  for_each_batch([](kernels::LaneGrid grid, const Extents& e, Index n) {
    const Values images = normal_values(n * e.height * e.width * e.channels, 1);
    Blocked x(kernels::blocked_shape(grid, e.channels, e.height, e.width, 0), n, images);
    Values y = poisoned(n * e.channels);
    kernels::global_average_pool_blocked(x.shape, n, x.data(), y.data());
    for (Index k = 0; k < n; ++k)
      for (Index c = 0; c < e.channels; ++c) {
        double sum = 0;
        for (Index p = 0; p < e.height * e.width; ++p)
          sum += static_cast<double>(images[(k * e.height * e.width + p) * e.channels + c]);
        ASSERT_NEAR(y[k * e.channels + c], sum / static_cast<double>(e.height * e.width), tolerance());
      }
  });
}

TEST(BlockedImages, AddUpWithDifferentHalos) {
  for_each_batch([](kernels::LaneGrid grid, const Extents& e, Index n) {
    kernels::BlockedShape wide = kernels::blocked_shape(grid, e.channels, e.height, e.width, 0),
                          narrow = wide;
    wide.halo = halo_of(wide);
    const Values a = normal_values(n * e.height * e.width * e.channels, 1),
                 b = normal_values(static_cast<Index>(a.size()), 2);
    Blocked x(wide, n, a), z(narrow, n, b), y(wide, n);
    for (const bool relu : {false, true}) {
      kernels::add_blocked(wide, narrow, wide, n, relu, x.data(), z.data(), y.data());
      Values expected(a.size());
      for (std::size_t k = 0; k < a.size(); ++k)
        expected[k] = relu ? std::max(a[k] + b[k], Real(0)) : a[k] + b[k];
      ASSERT_EQ(y.images(), expected);
      y.expect_halos();
    }
  });
}

TEST(BlockedImages, TilesThatDoNotMeetAreRefused) {
  const kernels::LaneGrid grid = kernels::lane_grid(16, 1);
  const auto in = kernels::blocked_shape(grid, 1, 28, 28, 2),
             out = kernels::blocked_shape(grid, 1, 14, 14, 0);
  EXPECT_THROW(kernels::check_tiles(in, out, {2, 2, 0}), Error);  // tiles of 7 have no half
  const auto even = kernels::blocked_shape(grid, 1, 28, 28, 2, 2);
  EXPECT_EQ(even.tile_h, 8);
  EXPECT_NO_THROW(kernels::check_tiles(even, out, {2, 2, 0}));
  EXPECT_THROW(kernels::check_tiles(even, even, {7, 1, 3}), Error);  // a halo of 2 for padding 3
}

TEST(BlockedImages, SameBitsOnOneAndTwoThreads) {
  const kernels::LaneGrid grid = kernels::lane_grid(kernels::instruction_set().lanes, 1);
  const PoolGeometry g{32, 32, 32, 15, 15, 3, 2};
  const auto pair = blocked_pair(grid, g.input(1), g.output(1), {3, 2, 0}, 0);
  ASSERT_TRUE(pair);
  const Values images = normal_values(g.input(3).size(), 1);
  const auto pooled = [&](int threads) {
    set_threads(threads);
    Blocked x(pair->in, 3, images), y(pair->out, 3);
    kernels::average_pool_blocked(g, pair->in, pair->out, 3, x.data(), y.data());
    return y.images();
  };
  const Values one = pooled(1);
  EXPECT_TRUE(same_bits(pooled(2), one));
}

}  // namespace
}  // namespace espalier::test
