// mnist.cpp: MNIST (LeCun, Cortes & Burges 1998) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), 60,000 +
// 10,000 grey images of 28x28 in 10 classes, from IDX files, plain or gzipped. Other sets in the same four
// files work too.
#include <algorithm>
#include <string_view>

#include "framework/data/image_set.h"
#include "framework/data/read_file.h"
#include "framework/io/file_kind.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
const std::string mnist_advice = "give the folder with the four IDX files, plain or .gz, in data.source.path";
const std::string fashion_advice =
    mnist_advice + "; on Debian, apt-get install dataset-fashion-mnist puts them into the default one";

/// Header of an IDX file: 0, 0, 8 (unsigned bytes), number of axes;
/// then one big-endian 32-bit extent an axis.
struct Idx {
  std::string path;
  Bytes bytes;
  std::vector<Index> extents;
  std::size_t header() const { return 4 + 4 * extents.size(); }
};

std::uint32_t big_endian(std::span<const std::uint8_t> bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
         std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}

/// Reads folder/name, or folder/name.gz if only that exists.
Idx read_idx(const fs::path& folder, const std::string& name, std::size_t axes, const std::string& help) {
  fs::path path = folder / name;
  std::error_code unknown;  // a name too long, a link to itself: read_file says what is wrong
  if (!fs::exists(path, unknown) && fs::exists(path.string() + ".gz", unknown)) path += ".gz";
  Idx idx{path.string(), {}, {}};
  const std::size_t header = 4 + 4 * axes;
  const auto announced = [&](std::span<const std::uint8_t> head) -> std::size_t {
    const auto magic = static_cast<std::uint32_t>(0x800 + axes);
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    if (head.size() < 4)
      fail(ExitCode::data, "{}: {} bytes; not even an IDX magic number; truncated; {}", idx.path, head.size(),
           help);
    if (const std::uint32_t found = big_endian(head, 0); found != magic) {
      const auto foreign = foreign_file(kind_of_bytes(text), "an IDX file");
      fail(ExitCode::data, "{}: {}", idx.path,
           foreign.value_or(fmt::format("the magic number at byte 0 is {}; an IDX file of {} begins with {}",
                                        found, axes == 3 ? "images" : "labels", magic)));
    }
    if (head.size() < header)
      fail(ExitCode::data, "{}: {} bytes; the header alone has {}; truncated", idx.path, head.size(), header);
    // Extents are below 2^32, so their product is compared in floating point before it may overflow.
    double product = 1;
    for (std::size_t axis = 0; axis < axes; ++axis) {
      idx.extents.push_back(big_endian(head, 4 + 4 * axis));
      product *= static_cast<double>(idx.extents.back());
    }
    if (product == 0) fail(ExitCode::data, "{}: the header announces no data", idx.path);
    return header + static_cast<std::size_t>(std::min(product, 1e18));
  };
  idx.bytes = read_announced(path, file_kind_bytes, announced, help);
  return idx;
}

ImageSet read_set(const fs::path& folder, const std::string& prefix, int classes, const std::string& help) {
  Idx images = read_idx(folder, prefix + "-images-idx3-ubyte", 3, help);
  const Idx labels = read_idx(folder, prefix + "-labels-idx1-ubyte", 1, help);
  if (images.extents[0] != labels.extents[0])
    fail(ExitCode::data, "{}: {} images, but {} has {} labels; there must be one label for each image",
         images.path, images.extents[0], labels.path, labels.extents[0]);
  ImageSet set{static_cast<int>(images.extents[1]), static_cast<int>(images.extents[2]), 1, {}, {}};
  for (std::size_t i = labels.header(); i < labels.bytes.size(); ++i) {
    if (labels.bytes[i] >= classes)
      fail(
          ExitCode::data,
          "{}: label {} at byte {} (image {}), but there are {} classes, numbered from 0; a set with more of "
          "them, as EMNIST, is read by source \"mnist\" with \"classes\"",
          labels.path, labels.bytes[i], i, i - labels.header(), classes);
    set.labels.push_back(labels.bytes[i]);
  }
  images.bytes.erase(images.bytes.begin(),
                     images.bytes.begin() + static_cast<std::ptrdiff_t>(images.header()));
  set.pixels = std::move(images.bytes);
  return set;
}

struct IdxSettings : DataSettings {
  std::string path;
  DataSource open_with(std::vector<std::string> names, const std::string& help) const {
    const auto classes = static_cast<int>(names.size());
    DataSource source{read_set(path, "train", classes, help), read_set(path, "t10k", classes, help),
                      std::move(names), ""};
    const auto &train = source.train, &test = source.test;
    if (train.height != test.height || train.width != test.width)
      fail(ExitCode::data, "{}: training images are {}x{}, test images {}x{}; they must be alike", path,
           train.height, train.width, test.height, test.width);
    return source;
  }
};

/// The same without the training files.
DataSource test_alone(ImageSet test, std::vector<std::string> names) {
  ImageSet train{test.height, test.width, test.channels, {}, {}};
  return {std::move(train), std::move(test), std::move(names), ""};
}

struct MnistSettings final : IdxSettings {
  int classes = 10;
  void fields(Fields& f) override {
    f.required()("path", path, "folder with train-images-idx3-ubyte and the other three files, plain or .gz");
    f("classes", classes, "number of classes; EMNIST and others have more than MNIST's ten",
      {.low = 2, .high = 256});
  }
  DataSource open() const override { return open_with(names(), mnist_advice); }
  DataSource open_test() const override {
    return test_alone(read_set(path, "t10k", classes, mnist_advice), names());
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (int k = 0; k < classes; ++k) all.push_back(std::to_string(k));
    return all;
  }
};

struct FashionMnistSettings final : IdxSettings {
  FashionMnistSettings() { path = "/usr/share/datasets/fashion-mnist"; }
  void fields(Fields& f) override {
    f("path", path,
      "folder with the four IDX files; where Debian's dataset-fashion-mnist puts them by default");
  }
  DataSource open() const override { return open_with(names, fashion_advice); }
  DataSource open_test() const override {
    return test_alone(read_set(path, "t10k", static_cast<int>(names.size()), fashion_advice), names);
  }
  const std::vector<std::string> names{"T-shirt/top", "trouser", "pullover", "dress", "coat",
                                       "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
};

const bool known_mnist =
    Registry<DataSettings>::add<MnistSettings>("mnist", "MNIST, IDX files; 28x28x1, 10 classes");
const bool known_fashion = Registry<DataSettings>::add<FashionMnistSettings>(
    "fashion_mnist", "Fashion-MNIST, IDX files; 28x28x1, 10 classes");

}  // namespace
}  // namespace espalier
