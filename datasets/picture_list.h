// picture_list.h: which pictures a folder holds, of which class each is, and which are to train and which to test on:
// by folders, by list files, or by a share held out of every class. No picture is opened here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/config/fields.h"

namespace espalier {

struct PictureList {
  std::vector<std::filesystem::path> files;
  std::vector<std::int32_t> labels;
};

struct PictureLists {
  PictureList train, test;
  std::vector<std::string> classes, notices;
};

/// Settings.
struct PictureSplit {
  std::string train_folder = "train", test_folder = "test";
  std::string train_list, test_list;
  std::vector<std::string> list_classes;
  double test_share = 0;
  std::uint64_t split_seed = 1;
  void fields(Fields& f);

  /// Throws Error(data) naming the folder, file or line that is missing or wrong. With `test_only` the training
  /// pictures need not be there; they are left out of the result, but for their classes, where they are.
  PictureLists read(const std::filesystem::path& folder, bool test_only) const;
};

}  // namespace espalier
