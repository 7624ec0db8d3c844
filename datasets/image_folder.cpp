// image_folder.cpp: images in folders named after their class: PATH/train/CLASS/*.jpg and
// PATH/test/CLASS/*.png. All must have one size; nothing is scaled.
#include <algorithm>
#include <cctype>

#include "datasets/decode_image.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/data/image_set.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> all;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    all.push_back(*it);
  if (error) fail(ExitCode::data, "{}: cannot be listed: {}", folder.string(), error.message());
  std::ranges::sort(all);
  return all;
}

/// The names of the class folders in PATH/split, sorted. Hidden ones do not count.
std::vector<std::string> class_folders(const fs::path& split) {
  std::error_code unknown;  // a name too long, a link to itself: as good as no folder
  if (!fs::is_directory(split, unknown))
    fail(ExitCode::data, "{}: no such folder; an image folder holds train/CLASS/*.jpg and test/CLASS/*.jpg",
         split.string());
  std::vector<std::string> names;
  for (const auto& entry : sorted_entries(split))
    if (const auto name = entry.filename().string(); fs::is_directory(entry, unknown) && name[0] != '.')
      names.push_back(name);
  if (names.empty()) fail(ExitCode::data, "{}: holds no class folder", split.string());
  return names;
}

bool is_image(const fs::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

struct Listing {
  std::vector<fs::path> files;
  std::vector<std::int32_t> labels;
};

/// The images of one split, class by class in the order of `classes`, by name within a class.
Listing list_images(const fs::path& split, const std::vector<std::string>& classes) {
  Listing listing;
  for (const std::string& name : class_folders(split)) {
    const auto found = std::ranges::lower_bound(classes, name);
    if (found == classes.end() || *found != name)
      fail(ExitCode::data, "{}: class '{}' has no folder beside the training images ({})",
           (split / name).string(), name, fmt::join(classes, ", "));
    const std::size_t before = listing.files.size();
    std::size_t others = 0;
    for (const auto& file : sorted_entries(split / name)) {
      if (is_image(file))
        listing.files.push_back(file);
      else
        ++others;
    }
    if (listing.files.size() == before)
      fail(ExitCode::data,
           "{}: the class folder has no .jpg, .jpeg or .png file ({} others); add some or remove it",
           (split / name).string(), others);
    listing.labels.resize(listing.files.size(), static_cast<std::int32_t>(found - classes.begin()));
  }
  return listing;
}

/// Decodes all files; each must have the size of `first`, which is named in the message if not.
ImageSet decode_all(Listing listing, const fs::path& first, const DecodedImage& sample, int channels) {
  ImageSet set{sample.height, sample.width, channels, {}, std::move(listing.labels)};
  require_memory(static_cast<double>(set.size()) * static_cast<double>(set.image_bytes()),
                 fmt::format("{}: {} images of {}x{}", first.parent_path().parent_path().string(), set.size(),
                             set.height, set.width));
  set.pixels.resize(set.size() * set.image_bytes());
  parallel_for(set.size(), 16, [&](Range part) {
    for (Index i = part.begin; i < part.end; ++i) {
      const fs::path& file = listing.files[i];
      const DecodedImage image = decode_image(file, channels);
      if (image.height != set.height || image.width != set.width)
        fail(ExitCode::data,
             "{}: {}x{} pixels (height x width), but {} has {}x{}; all images must have one size",
             file.string(), image.height, image.width, first.string(), set.height, set.width);
      std::ranges::copy(image.pixels, set.pixels.begin() + i * set.image_bytes());
    }
  });
  return set;
}

struct ImageFolderSettings final : DataSettings {
  std::string path;
  int channels = 3;

  void fields(Fields& f) override {
    f.required()("path", path, "folder that holds train/CLASS/*.jpg and test/CLASS/*.jpg (.jpeg, .png)");
    f("channels", channels, "3 (red, green, blue) or 1 (grey); images are converted", {.low = 1, .high = 3});
    f.rule(channels == 1 || channels == 3, fmt::format("channels is {}; it must be 1 or 3", channels));
  }
  DataSource open() const override {
    const fs::path train = fs::path(path) / "train", test = fs::path(path) / "test";
    const std::vector<std::string> classes = class_folders(train);
    Listing train_images = list_images(train, classes), test_images = list_images(test, classes);
    const fs::path first = train_images.files[0];
    const DecodedImage sample = decode_image(first, channels);
    return {decode_all(std::move(train_images), first, sample, channels),
            decode_all(std::move(test_images), first, sample, channels), classes, ""};
  }
};

const bool known = Registry<DataSettings>::add<ImageFolderSettings>(
    "image_folder", "JPEG and PNG files in folders split/class; all of one size");

}  // namespace
}  // namespace espalier
