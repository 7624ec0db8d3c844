// table.h: the entries of one level, by name.
#pragma once

#include "framework/kernels/levels.h"
#include "framework/kernels/simd/conv_forward.h"
#include "framework/kernels/simd/conv_weight.h"

namespace espalier::kernels::ESPALIER_LEVEL {

#define ESPALIER_TEXT(name) ESPALIER_TEXT_(name)
#define ESPALIER_TEXT_(name) #name

extern const Level table;
const Level table = {
    .name = ESPALIER_TEXT(ESPALIER_LEVEL),
    .lanes = lanes,
    .packed_size = packed_size,
    .pack = pack,
    .conv_image = conv_image,
    .weight_sum_step = weight_sum_step,
    .conv_weight_image = conv_weight_image,
};

}  // namespace espalier::kernels::ESPALIER_LEVEL
