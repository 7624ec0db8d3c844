// evaluate.h: what a network makes of data: loss and accuracy, and batch-norm statistics. No weight is changed.
#pragma once

#include "framework/core/parallel.h"
#include "framework/data/data_config.h"
#include "framework/data/examples.h"
#include "framework/nn/model.h"

namespace espalier {

class Engine;

struct Evaluation {
  double loss = 0, accuracy = 0;  ///< mean cross-entropy; share of correct predictions
};
/// Images that passes without a reverse pass compute at a time where nobody says: 250 of up to 64x64 pixels, of
/// larger ones fewer, at least 8, as their activations take memory.
Index images_per_pass(Index height, Index width);
/// Calls `use` with the logits [n, classes] of every batch of `set`, in order. batch_size 0: images_per_pass().
void for_each_batch(const Engine& engine, const ImageSet& set, const Preprocessing& preprocessing,
                    Index batch_size, FunctionRef<void(const Tensor& logits, const Batch& batch)> use);
/// Over all of `set`.
Evaluation evaluate(const Model& model, const ImageSet& set, const Preprocessing& preprocessing,
                    int batch_size = 0);
Evaluation evaluate(const Engine& engine, const ImageSet& set, const Preprocessing& preprocessing,
                    int batch_size = 0);

/// The class that the network takes each image of `set` for, or of its first `most` images.
std::vector<std::int32_t> predicted_classes(const Model& model, const ImageSet& set,
                                            const Preprocessing& preprocessing, Index most = 0);

/// Sets the batch-norm statistics to their averages over `examples` training images (0: all) drawn by seed, in
/// batches of equal size (to one example) of at most `batch_size`. The images are augmented as in training: the
/// network was trained on such statistics, and the borders that a crop pads change them (ResNet-20 on CIFAR-10
/// loses three points with those of the plain images). Does nothing for models without batch norm.
void recalibrate_batch_norm(Model& model, const LoadedData& data, Index examples, std::uint64_t seed,
                            int batch_size = 0);

/// Mean cross-entropy of the examples.
double mean_loss(const Model& model, const Examples& examples);

/// Of all values, in float64.
double sum(const Tensor& t);
/// How many rows of `logits` [n, classes] are largest at their label.
Index count_correct(const Tensor& logits, std::span<const std::int32_t> labels);

}  // namespace espalier
