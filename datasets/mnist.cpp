// mnist.cpp: MNIST (LeCun, Cortes & Burges 1998) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017),
// 60,000 + 10,000 grey images of 28x28 in 10 classes, from IDX files, plain or gzipped. Other sets in the
// same four files work too.
#include "datasets/read_file.h"
#include "framework/data/image_set.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
const std::string advice = "give the folder with the four IDX files, plain or .gz, in data.source.path";
const std::string fashion_advice =
    advice + "; on Debian, apt-get install dataset-fashion-mnist puts them into the default one";

/// Header of an IDX file: 0, 0, 8 (unsigned bytes), number of axes;
/// then one big-endian 32-bit extent an axis.
struct Idx {
  std::string path;
  Bytes bytes;
  std::vector<Index> extents;
  std::size_t header() const { return 4 + 4 * extents.size(); }
};

std::uint32_t big_endian(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
         std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}

/// Reads folder/name, or folder/name.gz if only that exists.
Idx read_idx(const fs::path& folder, const std::string& name, std::size_t axes, const std::string& help) {
  fs::path path = folder / name;
  std::error_code unknown;  // a name too long, a link to itself: read_file says what is wrong
  if (!fs::exists(path, unknown) && fs::exists(path.string() + ".gz", unknown)) path += ".gz";
  Idx idx{path.string(), read_maybe_gzip(path, help), {}};
  const std::size_t size = idx.bytes.size(), header = 4 + 4 * axes;
  const auto magic = static_cast<std::uint32_t>(0x800 + axes);
  if (size < 4) fail(ExitCode::data, "{}: {} bytes; not even an IDX magic number; truncated", idx.path, size);
  if (const std::uint32_t found = big_endian(idx.bytes, 0); found != magic)
    fail(ExitCode::data, "{}: the magic number at byte 0 is {}; an IDX file of {} begins with {}", idx.path,
         found, axes == 3 ? "images" : "labels", magic);
  if (size < header)
    fail(ExitCode::data, "{}: {} bytes; the header alone has {}; truncated", idx.path, size, header);
  // Extents are below 2^32, so their product is compared in floating point before it may overflow.
  double expected = static_cast<double>(header), product = 1;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    idx.extents.push_back(big_endian(idx.bytes, 4 + 4 * axis));
    product *= static_cast<double>(idx.extents.back());
  }
  expected += product;
  if (product == 0) fail(ExitCode::data, "{}: the header announces no data", idx.path);
  if (static_cast<double>(size) != expected)
    fail(ExitCode::data, "{}: {} bytes where the header announces {:.0f}; {}", idx.path, size, expected,
         static_cast<double>(size) < expected ? "truncated" : "overlong");
  return idx;
}

ImageSet read_set(const fs::path& folder, const std::string& prefix, const std::string& help) {
  Idx images = read_idx(folder, prefix + "-images-idx3-ubyte", 3, help);
  const Idx labels = read_idx(folder, prefix + "-labels-idx1-ubyte", 1, help);
  if (images.extents[0] != labels.extents[0])
    fail(ExitCode::data, "{}: {} images, but {} has {} labels; there must be one label for each image",
         images.path, images.extents[0], labels.path, labels.extents[0]);
  ImageSet set{static_cast<int>(images.extents[1]), static_cast<int>(images.extents[2]), 1, {}, {}};
  for (std::size_t i = labels.header(); i < labels.bytes.size(); ++i) {
    if (labels.bytes[i] > 9)
      fail(ExitCode::data, "{}: label {} at byte {} (image {}); it must be 0 to 9; the file is corrupt",
           labels.path, labels.bytes[i], i, i - labels.header());
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
    DataSource source{read_set(path, "train", help), read_set(path, "t10k", help), std::move(names), ""};
    const auto &train = source.train, &test = source.test;
    if (train.height != test.height || train.width != test.width)
      fail(ExitCode::data, "{}: training images are {}x{}, test images {}x{}; they must be alike", path,
           train.height, train.width, test.height, test.width);
    return source;
  }
};

struct MnistSettings final : IdxSettings {
  void fields(Fields& f) override {
    f.required()("path", path, "folder with train-images-idx3-ubyte and the other three files, plain or .gz");
  }
  DataSource open() const override {
    return open_with({"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, advice);
  }
};

struct FashionMnistSettings final : IdxSettings {
  FashionMnistSettings() { path = "/usr/share/datasets/fashion-mnist"; }
  void fields(Fields& f) override {
    f("path", path,
      "folder with the four IDX files; where Debian's dataset-fashion-mnist puts them by default");
  }
  DataSource open() const override {
    return open_with({"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker",
                      "bag", "ankle boot"},
                     fashion_advice);
  }
};

const bool known_mnist =
    Registry<DataSettings>::add<MnistSettings>("mnist", "MNIST, IDX files; 28x28x1, 10 classes");
const bool known_fashion = Registry<DataSettings>::add<FashionMnistSettings>(
    "fashion_mnist", "Fashion-MNIST, IDX files; 28x28x1, 10 classes");

}  // namespace
}  // namespace espalier
