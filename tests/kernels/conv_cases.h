// conv_cases.h: the convolutions every test of this folder runs over.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "framework/kernels/conv2d.h"

namespace espalier::test {

struct ConvCase {
  std::string name;
  Index n, height, width, in, out;
  Extent2 kernel, stride = 1;
  Border pad = 0;
  Extent2 dilation = 1;
  Index groups = 1;
  ConvGeometry geometry() const {
    const auto extent = [](Index padded, Index k, Index d, Index s) {
      return (padded - d * (k - 1) - 1) / s + 1;
    };
    return {.in_h = height,
            .in_w = width,
            .in_c = in,
            .out_h = extent(height + pad.top + pad.bottom, kernel.h, dilation.h, stride.h),
            .out_w = extent(width + pad.left + pad.right, kernel.w, dilation.w, stride.w),
            .out_c = out,
            .kernel_h = kernel.h,
            .kernel_w = kernel.w,
            .stride = stride,
            .pad = {pad.top, pad.left},
            .dilation = dilation,
            .groups = groups};
  }
};
inline void PrintTo(const ConvCase& c, std::ostream* out) { *out << c.name; }

inline const std::vector<ConvCase>& conv_cases() {
  // name, n, h, w, in, out, kernel, stride, pad, dilation, groups
  static const std::vector<ConvCase> cases = {
      {"cifarnet_conv1", 2, 32, 32, 3, 32, 5, 1, 2},
      {"cifarnet_conv2", 3, 15, 15, 32, 32, 5, 1, 2},
      {"cifarnet_conv3", 5, 7, 7, 32, 64, 5, 1, 2},
      {"resnet_first", 2, 32, 32, 3, 16, 3, 1, 1},
      {"resnet_16", 2, 32, 32, 16, 16, 3, 1, 1},
      {"resnet_32", 3, 16, 16, 32, 32, 3, 1, 1},
      {"resnet_64", 5, 8, 8, 64, 64, 3, 1, 1},
      {"resnet_16_32_stride2", 2, 32, 32, 16, 32, 3, 2, 1},
      {"resnet_32_64_stride2", 3, 16, 16, 32, 64, 3, 2, 1},
      {"projection_16_32", 2, 32, 32, 16, 32, 1, 2, 0},
      {"projection_32_64", 3, 16, 16, 32, 64, 1, 2, 0},
      {"pointwise", 3, 7, 7, 16, 48, 1, 1, 0},
      {"lenet_conv1", 2, 28, 28, 1, 6, 5, 1, 0},
      {"lenet_conv2", 3, 12, 12, 6, 16, 5, 1, 0},
      {"one_channel", 3, 7, 7, 1, 1, 3, 1, 1},
      {"ten_channels", 3, 9, 7, 10, 10, 3, 1, 1},
      {"wide_channels", 2, 5, 5, 128, 80, 3, 1, 1},
      {"rectangle", 1, 5, 11, 16, 32, 3, 1, 1},
      {"no_padding", 2, 9, 9, 32, 16, 3, 1, 0},
      {"wide_padding", 2, 4, 4, 16, 16, 3, 1, 2},
      {"padding_beyond_kernel", 2, 4, 4, 16, 16, 1, 1, 2},
      {"stride2_even_kernel", 2, 9, 9, 16, 16, 2, 2, 0},
      {"stride3", 2, 11, 10, 16, 16, 3, 3, 1},
      {"stride2_5x5", 2, 15, 15, 32, 32, 5, 2, 2},
      {"dilation2", 2, 11, 11, 16, 16, 3, 1, 2, 2},
      {"dilation2_stride2", 2, 11, 11, 3, 16, 3, 2, 1, 2},
      {"groups2", 2, 7, 7, 32, 32, 3, 1, 1, 1, 2},
      {"depthwise", 2, 7, 7, 12, 12, 3, 1, 1, 1, 12},
      {"depthwise_first", 2, 23, 21, 32, 32, 3, 1, 1, 1, 32},
      {"depthwise_stride2", 2, 22, 23, 48, 48, 3, 2, 1, 1, 48},
      {"depthwise_5x5", 5, 12, 11, 24, 24, 5, 1, 2, 1, 24},
      {"depthwise_5x5_stride2", 2, 14, 13, 36, 36, 5, 2, 2, 1, 36},
      {"depthwise_7x7", 1, 9, 15, 17, 17, 7, 1, 3, 1, 17},
      {"depthwise_no_padding", 2, 13, 8, 16, 16, 3, 1, 0, 1, 16},
      {"depthwise_rectangle", 2, 9, 12, 20, 20, {3, 2}, {2, 1}, {1, 0, 1, 1}, 1, 20},
      {"depthwise_wide_padding", 2, 3, 4, 18, 18, 3, 2, {3, 2, 2, 3}, 1, 18},
      {"depthwise_dilated", 2, 12, 11, 19, 19, 3, 1, 2, 2, 19},
      {"depthwise_dilated_stride2", 2, 12, 11, 16, 16, 3, 2, 2, 2, 16},
      {"depthwise_stride3", 2, 11, 10, 33, 33, 3, 3, 1, 1, 33},
      {"depthwise_many_channels", 6, 7, 7, 150, 150, 3, 1, 1, 1, 150},
      {"depthwise_strips", 1, 40, 40, 80, 80, 3, 1, 1, 1, 80},
      {"depthwise_two_each", 2, 7, 7, 12, 24, 3, 1, 1, 1, 12},
      {"groups_of_eight", 3, 9, 7, 32, 48, 3, 1, 1, 1, 4},
      {"groups_stride2", 2, 11, 12, 30, 20, 3, 2, 1, 1, 5},
      {"groups_1x1", 2, 6, 5, 24, 36, 1, 1, 0, 1, 3},
      {"groups_1x1_stride2", 2, 7, 8, 24, 24, 1, 2, 0, 1, 2},
      {"pointwise_odd_channels", 5, 9, 7, 24, 44, 1, 1, 0},
      {"pointwise_of_many_pixels", 2, 40, 33, 16, 32, 1, 1, 0},
      {"imagenet_first", 1, 40, 37, 3, 64, 7, 2, 3},
      {"wide_weight", 3, 7, 7, 256, 240, 3, 1, 1},
      {"rectangular_kernel", 2, 7, 9, 16, 16, {3, 5}, 1, {1, 2, 1, 2}},
      {"row_kernel", 2, 7, 9, 3, 16, {1, 7}, 1, {0, 3, 0, 3}},
      {"two_strides", 2, 9, 12, 8, 16, 3, {1, 3}, 1},
      {"padding_below_and_right", 2, 8, 8, 16, 32, 3, 2, {0, 0, 1, 1}},
      {"padding_above", 2, 8, 8, 32, 32, 3, 1, {2, 1, 0, 1}},
      {"same_5x5_even_stride", 2, 8, 11, 4, 6, 5, {2, 1}, {1, 2, 2, 2}},
      {"winograd_padding_below", 2, 9, 9, 16, 16, 3, 1, {1, 1, 2, 0}},
      {"two_dilations", 2, 12, 12, 8, 8, 3, 1, {1, 2, 1, 2}, {1, 2}},
      {"groups_rectangular", 2, 7, 7, 8, 4, {3, 1}, {2, 1}, {1, 0, 0, 0}, 1, 4},
      {"one_pixel", 4, 1, 1, 16, 16, 1, 1, 0},
      {"kernel_is_image", 3, 5, 5, 16, 32, 5, 1, 0},
  };
  return cases;
}

}  // namespace espalier::test
