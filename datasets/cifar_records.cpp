#include "datasets/cifar_records.h"

#include <algorithm>
#include <string_view>

#include "framework/data/read_file.h"
#include "framework/io/file_kind.h"

namespace espalier {
namespace {

constexpr const char* advice =
    "give the folder with the binary version of CIFAR in "
    "data.source.path (tools/fetch_cifar10 fetches CIFAR-10)";

}  // namespace

ImageSet read_cifar(const std::filesystem::path& folder, const std::vector<std::string>& files,
                    const CifarFormat& format, Index records) {
  ImageSet set{32, 32, 3, {}, {}};
  const Index record = format.record_bytes(), plane = Index{32} * 32;
  for (const std::string& name : files) {
    const std::filesystem::path path = folder / name;
    const Bytes bytes = read_file(path, advice);
    const auto size = static_cast<Index>(bytes.size());
    if (size == 0) fail(ExitCode::data, "{}: is empty; {}", path.string(), advice);
    const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                                std::min(bytes.size(), file_kind_bytes));
    // Asked only where something is wrong: a record may begin like anything.
    const auto foreign = [&](const std::string& otherwise) {
      return foreign_file(kind_of_bytes(head), "a binary file of CIFAR records").value_or(otherwise);
    };
    if (size % record != 0)
      fail(ExitCode::data, "{}: {}", path.string(),
           foreign(
               fmt::format("{} bytes are not a multiple of the {} of a record ({} left over); truncated or "
                           "overlong",
                           size, record, size % record)));
    if (records > 0 && size != records * record)
      fail(ExitCode::data,
           "{}: {} records where the published file has {}; truncated or overlong. "
           "To use a subset, name its files in data.source.train_files and test_files",
           path.string(), size / record, records);
    for (Index at = 0; at < size; at += record) {
      const std::uint8_t* r = bytes.data() + at;
      const int label = r[format.label_at];
      if (label >= format.classes)
        fail(ExitCode::data, "{}: {}", path.string(),
             foreign(
                 fmt::format("label {} at byte {} (record {}); it must be 0 to {}; the file is corrupt or of "
                             "another data set",
                             label, at + format.label_at, at / record, format.classes - 1)));
      set.labels.push_back(label);
      const std::size_t begin = set.pixels.size();
      set.pixels.resize(begin + static_cast<std::size_t>(3 * plane));
      std::uint8_t* out = set.pixels.data() + begin;
      const std::uint8_t* red = r + format.label_bytes;
      for (Index p = 0; p < plane; ++p, out += 3) {
        out[0] = red[p];
        out[1] = red[plane + p];
        out[2] = red[2 * plane + p];
      }
    }
  }
  return set;
}

std::vector<std::string> read_class_names(const std::filesystem::path& file,
                                          std::vector<std::string> standard) {
  std::error_code unknown;
  if (!std::filesystem::exists(file, unknown)) return standard;
  std::vector<std::string> names = read_lines(file);
  if (names.size() != standard.size())
    fail(ExitCode::data, "{}: {} class names; there must be {}, one a line", file.string(), names.size(),
         standard.size());
  return names;
}

}  // namespace espalier
