// table.h: the entries of one instruction set, by name.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/blocked.h"
#include "framework/kernels/simd/channels.h"
#include "framework/kernels/simd/conv_forward.h"
#include "framework/kernels/simd/conv_weight.h"
#include "framework/kernels/simd/depthwise.h"
#include "framework/kernels/simd/elementwise.h"
#include "framework/kernels/simd/mixed.h"
#include "framework/kernels/simd/pool.h"
#include "framework/kernels/simd/winograd.h"

namespace espalier::kernels::ESPALIER_LEVEL {

#define ESPALIER_TEXT(name) ESPALIER_TEXT_(name)
#define ESPALIER_TEXT_(name) #name

extern const InstructionSet table;
const InstructionSet table = {
    .name = ESPALIER_TEXT(ESPALIER_LEVEL),
    .lanes = lanes,
    .packed_size = packed_size,
    .transpose = transpose,
    .pack = pack,
    .conv_image = conv_image,
    .weight_sum_step = weight_sum_step,
    .conv_weight_image = conv_weight_image,
    .depthwise = depthwise,
    .depthwise_weight = depthwise_weight,
    .winograd_points = winograd_points,
    .winograd_images = winograd_images,
    .winograd_pack = winograd_pack,
    .max_pool = max_pool,
    .max_pool_grad = max_pool_grad,
    .max_pool_gather = max_pool_gather,
    .average_pool = average_pool,
    .average_pool_grad = average_pool_grad,
    .moments = moments,
    .sums = sums,
    .affine = affine,
    .affine_pair = affine_pair,
    .scale_within = scale_within,
    .add = add,
    .add_relu = add_relu,
    .axpby = axpby,
    .scale = scale,
    .multiply = multiply,
    .relu = relu,
    .keep_positive = keep_positive,
    .keep_within = keep_within,
    .finish = finish,
    .finish_grad = finish_grad,
    .exponential = exponential,
    .outer = outer,
    .dot = dot,
    .sgd = sgd,
    .mixed_dot = mixed_dot,
    .mixed_add_rows = mixed_add_rows,
    .mixed_add_squares = mixed_add_squares,
    .blocked = &blocked_loops,
};

}  // namespace espalier::kernels::ESPALIER_LEVEL
