// cifar_records.h: the binary format of CIFAR-10 and CIFAR-100 (cs.toronto.edu/~kriz/cifar.html): records of
// one or two label bytes and 32x32 pixels in three planes, red, green, blue;
// nothing before, between or after.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/image_set.h"

namespace espalier {

struct CifarFormat {
  int label_bytes;  ///< per record; the label is the byte at `label_at`
  int label_at;
  int classes;
  Index record_bytes() const { return label_bytes + 3 * 32 * 32; }
};

/// Appends the records of `files`, in order, converted to HWC. With `records` > 0 every file must hold
/// exactly as many. Throws Error(data) on a file that is missing, empty, not whole records, or has a label
/// out of range.
ImageSet read_cifar(const std::filesystem::path& folder, const std::vector<std::string>& files,
                    const CifarFormat& format, Index records);

/// The class names in `file`, one a line, or `standard` if it does not exist. Throws Error(data) unless their
/// number is that of `standard`.
std::vector<std::string> read_class_names(const std::filesystem::path& file,
                                          std::vector<std::string> standard);

}  // namespace espalier
