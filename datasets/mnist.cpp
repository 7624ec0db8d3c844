// mnist.cpp: MNIST (LeCun, Cortes & Burges 1998) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), 60,000 +
// 10,000 grey images of 28x28 in 10 classes, from IDX files, plain or gzipped, under the names their publishers and
// torchvision give them. Other sets in four such files (EMNIST, KMNIST) work too.
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

/// What the four files may be called, and where they may lie.
struct IdxNames {
  std::vector<std::string> folders;  ///< within the one that is given: where torchvision puts them
  std::string prefix;                ///< of all four names, as EMNIST's have
};

/// The file of `split` ("train", "t10k") and `kind` ("images-idx3", "labels-idx1"). Where there is none, the path it
/// should have.
fs::path find_idx(const fs::path& folder, const IdxNames& names, const std::string& split,
                  const std::string& kind) {
  std::vector<std::string> starts{names.prefix + split};
  if (split == "t10k") starts.push_back(names.prefix + "test");
  std::string dotted = kind;
  dotted[dotted.find('-')] = '.';
  std::error_code unknown;  // a name too long, a link to itself: read_file says what is wrong
  for (const std::string& below : names.folders)
    for (const std::string& start : starts)
      for (const std::string& end : {kind, dotted})
        for (const char* packed : {"", ".gz"})
          if (const fs::path path = folder / below / fmt::format("{}-{}-ubyte{}", start, end, packed);
              fs::exists(path, unknown))
            return path;
  return folder / fmt::format("{}-{}-ubyte", starts[0], kind);
}

Idx read_idx(const fs::path& path, std::size_t axes, const std::string& help) {
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

/// What labels mean.
struct IdxLabels {
  int classes = 10;
  int first = 0;  ///< the label of the first class
};

ImageSet read_set(const fs::path& folder, const IdxNames& names, const std::string& split,
                  const IdxLabels& meaning, const std::string& help) {
  Idx images = read_idx(find_idx(folder, names, split, "images-idx3"), 3, help);
  const Idx labels = read_idx(find_idx(folder, names, split, "labels-idx1"), 1, help);
  if (images.extents[0] != labels.extents[0])
    fail(ExitCode::data, "{}: {} images, but {} has {} labels; there must be one label for each image",
         images.path, images.extents[0], labels.path, labels.extents[0]);
  ImageSet set{static_cast<int>(images.extents[1]), static_cast<int>(images.extents[2]), 1, {}, {}};
  const auto begin = labels.bytes.begin() + static_cast<std::ptrdiff_t>(labels.header());
  const bool from_one = meaning.first == 0 && *std::min_element(begin, labels.bytes.end()) == 1 &&
                        *std::max_element(begin, labels.bytes.end()) == meaning.classes;
  for (std::size_t i = labels.header(); i < labels.bytes.size(); ++i) {
    const int label = labels.bytes[i] - meaning.first;
    if (label < 0 || label >= meaning.classes)
      fail(
          ExitCode::data,
          "{}: label {} at byte {} (image {}), but there are {} classes, numbered from {}; {}", labels.path,
          labels.bytes[i], i, i - labels.header(), meaning.classes, meaning.first,
          from_one
              ? "these labels count from 1: \"first_label\": 1 in data.source takes them so"
              : "a set with more of them, as EMNIST, is read by source \"mnist\" with \"classes\", and one whose "
                "labels begin elsewhere with \"first_label\"");
    set.labels.push_back(label);
  }
  images.bytes.erase(images.bytes.begin(),
                     images.bytes.begin() + static_cast<std::ptrdiff_t>(images.header()));
  set.pixels = std::move(images.bytes);
  return set;
}

struct IdxSettings : DataSettings {
  std::string path;
  IdxNames files;
  IdxLabels labels;
  virtual std::vector<std::string> class_names() const = 0;
  virtual std::string help() const = 0;

  DataSource open() const override {
    ImageSet images = read_set(path, files, "train", labels, help());
    DataSource source = open_test();
    source.train = std::move(images);
    const auto &train = source.train, &test = source.test;
    if (train.height != test.height || train.width != test.width)
      fail(ExitCode::data, "{}: training images are {}x{}, test images {}x{}; they must be alike", path,
           train.height, train.width, test.height, test.width);
    return source;
  }
  DataSource open_test() const override {
    ImageSet test = read_set(path, files, "t10k", labels, help());
    ImageSet train{test.height, test.width, test.channels, {}, {}};
    return {std::move(train), std::move(test), class_names(), ""};
  }
};

struct MnistSettings final : IdxSettings {
  MnistSettings() { files.folders = {"", "raw", "MNIST/raw"}; }
  void fields(Fields& f) override {
    f.required().path(
        "path", path,
        "folder with train-images-idx3-ubyte and the other three files (also train-images.idx3-ubyte), plain or "
        "gzipped, or with torchvision's raw/ or MNIST/raw/ that holds them");
    f("classes", labels.classes, "number of classes; EMNIST and others have more than MNIST's ten",
      {.low = 2, .high = 256});
    f("first_label", labels.first,
      "label of the first class: 1 for EMNIST's letters, whose labels are 1 to 26", {.low = 0, .high = 255});
    f("prefix", files.prefix, "what the names of the files begin with, such as \"emnist-letters-\"");
  }
  /// The labels.
  std::vector<std::string> class_names() const override {
    std::vector<std::string> all;
    for (int k = 0; k < labels.classes; ++k) all.push_back(std::to_string(k + labels.first));
    return all;
  }
  std::string help() const override { return mnist_advice; }
};

struct FashionMnistSettings final : IdxSettings {
  FashionMnistSettings() {
    path = "/usr/share/datasets/fashion-mnist";
    files.folders = {"", "raw", "FashionMNIST/raw"};
  }
  void fields(Fields& f) override {
    f.path("path", path,
      "folder with the four IDX files; where Debian's dataset-fashion-mnist puts them by default");
  }
  std::vector<std::string> class_names() const override {
    return {"T-shirt/top", "trouser", "pullover", "dress", "coat",
            "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
  }
  std::string help() const override { return fashion_advice; }
};

const bool known_mnist =
    Registry<DataSettings>::add<MnistSettings>("mnist", "MNIST, IDX files; 28x28x1, 10 classes");
const bool known_fashion = Registry<DataSettings>::add<FashionMnistSettings>(
    "fashion_mnist", "Fashion-MNIST, IDX files; 28x28x1, 10 classes");

}  // namespace
}  // namespace espalier
