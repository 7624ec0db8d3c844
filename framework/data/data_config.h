// data_config.h: the "data" section of a run config, and the data it opens.
#pragma once

#include <optional>

#include "framework/data/preprocess.h"

namespace espalier {

struct DataConfig {
  Choice<DataSettings> source;
  int pad_to = 0;                          ///< height and width the network sees; 0: those of the images
  std::optional<Normalization> normalize;  ///< absent: measured on the training images in use
  Augmentation augment;
  Index train_limit = 0, test_limit = 0;  ///< use the first n images only; 0: all
  Index hold_out = 0;                     ///< the last n training images take the place of the test images
  void fields(Fields& f);
};

struct LoadedData {
  DataSource source;  ///< limits applied; its hash is of the images in use
  Preprocessing preprocessing;
  Augmentation augmentation;  ///< of training batches only
};

/// Reads the data. Throws Error(data) on bad files,
/// Error(config) if pad_to or normalize do not fit the images.
LoadedData open_data(const DataConfig& config);

}  // namespace espalier
