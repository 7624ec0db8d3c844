// products.h: curvature matrices times vectors, exact, from one forward pass per micro-batch. No matrix is
// formed. A product over N examples costs a forward and about four reverse passes for each (three for the
// Fishers), restricted to the part of the network between the first of the layers and the loss; it holds the
// graph of one micro-batch.
#pragma once

#include <memory>

#include "framework/data/examples.h"
#include "pruning/rows/curvature.h"
#include "pruning/rows/labels.h"

namespace espalier {

/// The matrix over the weights of `layers` jointly (one layer: its diagonal block), the mean over all of
/// `examples`. Model and examples must outlive it; weights and masks are read at every product.
std::unique_ptr<CurvatureOperator> curvature_product(const Model& model, const Examples& examples,
                                                     std::vector<ParameterId> layers, CurvatureKind kind,
                                                     LabelDraw labels = {}, Index examples_per_pass = 128);

/// The block d2 L / d rows d columns of the Hessian between two layers (or of one), row-major [rows,
/// columns], by Hessian-vector products: one forward pass per micro-batch, then as many second-order reverse
/// passes as `rows` has weights, so name the smaller layer first. No layer-block identity is used.
std::vector<double> hessian_block_by_products(const Model& model, const Examples& examples, ParameterId rows,
                                              ParameterId columns, Index examples_per_pass = 256);

}  // namespace espalier
