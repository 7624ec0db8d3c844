// epoch_row.h: what the metrics say of an epoch of training.
#pragma once

#include "framework/io/columns.h"

namespace espalier {

struct EpochRow {
  static constexpr std::string_view event = "epoch", about = "After each epoch of training.";
  std::int64_t epoch = 0;
  double train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0, learning_rate = 0, seconds = 0,
         images_per_second = 0;

  std::vector<Column> columns() {
    return {
        {"epoch", &epoch, "epochs", "trained so far, this one included"},
        {"train_loss", &train_loss, "nats",
         "mean cross-entropy over the epoch's (augmented) batches, while they were learnt"},
        {"train_accuracy", &train_accuracy, "share", "of correct predictions among them"},
        {"test_loss", &test_loss, "nats", "mean cross-entropy on the test images"},
        {"test_accuracy", &test_accuracy, "share", "of correct predictions on the test images"},
        {"learning_rate", &learning_rate, "", "at the epoch's beginning"},
        {"seconds", &seconds, "s", "of training, without evaluation"},
        {"images_per_second", &images_per_second, "1/s", "trained on"},
    };
  }
};

}  // namespace espalier
