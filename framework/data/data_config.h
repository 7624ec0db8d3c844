// data_config.h: the "data" section of a run config, and the data it opens.
#pragma once

#include <optional>

#include "framework/data/preprocess.h"

namespace espalier {

struct DataConfig {
  Variant<DataSettings> source;
  int channels = 0;                        ///< of the images; 0: as the source has them
  PictureFit fit;                          ///< how pictures of any extents become images of one
  int workers = 0;                         ///< threads that prepare training images; 0: threads()
  int cache_mb = 1024;                     ///< room for images that were made from pictures
  int pad_to = 0;                          ///< height and width the network sees; 0: those of the images
  std::optional<Normalization> normalize;  ///< absent: measured on the training images in use
  std::vector<std::string> class_names;    ///< in the order of the labels; empty: as the source has them
  Augmentation augment;
  Index train_limit = 0, test_limit = 0;  ///< use the first n images only; 0: all
  Index hold_out = 0;                     ///< the last n training images take the place of the test images
  void fields(Fields& f);
};

struct LoadedData {
  DataSource source;  ///< limits applied; its hash is of the images in use
  Preprocessing preprocessing;
  Augmentation augmentation;  ///< of training batches only
  PictureFit fit{};           ///< that the images were made by
  int workers = 0;            ///< threads that prepare training images; 0: threads()
};

/// Most memory, in bytes, that making images from pictures takes besides the batches: that of those kept, and that
/// of those being read.
struct PictureMemory {
  double kept = 0, reading = 0;
  int workers = 0;
};
PictureMemory picture_memory(const LoadedData& data);

/// How a data set's classes stand to a list of names.
enum class ClassOrder { same, permuted, different };
ClassOrder compare_classes(const DataSource& source, const std::vector<std::string>& names);
/// Gives the classes of `source` the order of `names`, which must be the same in another order.
void reorder_classes(DataSource& source, const std::vector<std::string>& names);
/// "a, b, ... (10 in all)" for messages.
std::string class_list(const std::vector<std::string>& names);

/// Reads the data. Throws Error(data) on bad files, Error(config) if pad_to or normalize do not fit the
/// images.
/// With DataUse::test the training images are not needed, if the config says how to normalise and holds none out:
/// then `train` may be empty.
enum class DataUse { all, test };
LoadedData open_data(const DataConfig& config, DataUse use = DataUse::all);

}  // namespace espalier
