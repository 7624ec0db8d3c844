// image_folder.cpp: images in folders named after their class: PATH/train/CLASS/*.jpg and
// PATH/test/CLASS/*.png. All must have one size; nothing is scaled.
#include <algorithm>
#include <cctype>
#include <mutex>

#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/data/decode_image.h"
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

/// Pictures by their name. "._0.png" and other hidden files are notes that systems keep beside a file.
bool is_image(const fs::path& file) {
  if (file.filename().string().starts_with('.')) return false;
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

struct Listing {
  std::vector<fs::path> files;
  std::vector<std::int32_t> labels;
  // What lies in the class folders and is not read, with an example of each.
  std::size_t hidden = 0, folders = 0, others = 0;
  fs::path a_folder, an_other;
};

/// One sentence; empty if all was read.
std::string left_out(const fs::path& split, const Listing& listing) {
  std::vector<std::string> parts;
  if (listing.hidden) parts.push_back(fmt::format("{} hidden file(s)", listing.hidden));
  if (listing.folders)
    parts.push_back(fmt::format("{} folder(s) within class folders, such as {}", listing.folders,
                                listing.a_folder.string()));
  if (listing.others)
    parts.push_back(fmt::format("{} file(s) that are no .jpg, .jpeg or .png, such as {}", listing.others,
                                listing.an_other.string()));
  if (parts.empty()) return "";
  return fmt::format("{}: {} picture(s) read; left out: {}", split.string(), listing.files.size(),
                     fmt::join(parts, "; "));
}

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
      std::error_code ignored;
      const bool folder = fs::is_directory(file, ignored);
      if (is_image(file) && !folder) {
        listing.files.push_back(file);
        continue;
      }
      ++others;
      if (file.filename().string().starts_with('.'))
        ++listing.hidden;
      else if (folder)
        ++listing.folders, listing.a_folder = file;
      else
        ++listing.others, listing.an_other = file;
    }
    if (listing.files.size() == before)
      fail(ExitCode::data,
           "{}: the class folder has no .jpg, .jpeg or .png file ({} others); add some or remove it",
           (split / name).string(), others);
    listing.labels.resize(listing.files.size(), static_cast<std::int32_t>(found - classes.begin()));
  }
  return listing;
}

/// What is wrong with files of a folder, so that all are told at once.
class Problems {
 public:
  void add(Index file, std::string text) {
    const std::lock_guard lock(guard_);
    found_.emplace_back(file, std::move(text));
  }
  /// Throws Error(data) with the first few, in the order of the files.
  void report() {
    if (found_.empty()) return;
    constexpr std::size_t most = 8;
    std::ranges::sort(found_);
    std::string text;
    for (std::size_t i = 0; i < std::min(found_.size(), most); ++i)
      text += (i ? "\n  " : "") + found_[i].second;
    if (found_.size() > most) text += fmt::format("\n  ... and {} more files", found_.size() - most);
    fail(ExitCode::data, "{}", text);
  }

 private:
  std::mutex guard_;
  std::vector<std::pair<Index, std::string>> found_;
};

/// Decodes all files; each must have the size of `first`, which is named in the message if not.
ImageSet decode_all(Listing listing, const fs::path& first, const DecodedImage& sample, int channels) {
  ImageSet set{sample.height, sample.width, channels, {}, std::move(listing.labels)};
  require_memory(static_cast<double>(set.size()) * static_cast<double>(set.image_bytes()),
                 fmt::format("{}: {} images of {}x{}", first.parent_path().parent_path().string(), set.size(),
                             set.height, set.width));
  set.pixels.resize(set.size() * set.image_bytes());
  Problems problems;
  parallel_for(set.size(), 16, [&](Range part) {
    for (Index i = part.begin; i < part.end; ++i) {
      const fs::path& file = listing.files[i];
      try {
        const DecodedImage image = decode_image(file, channels);
        if (image.height != set.height || image.width != set.width)
          fail(ExitCode::data,
               "{}: {}x{} pixels (height x width), but {} has {}x{}; all images must have one size",
               file.string(), image.height, image.width, first.string(), set.height, set.width);
        std::ranges::copy(image.pixels, set.pixels.begin() + i * set.image_bytes());
      } catch (const Error& e) {
        if (e.code() != ExitCode::data) throw;
        problems.add(i, e.what());
      }
    }
  });
  problems.report();
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
    std::vector<std::string> notices;
    for (const std::string& n : {left_out(train, train_images), left_out(test, test_images)})
      if (!n.empty()) notices.push_back(n);
    DataSource source{decode_all(std::move(train_images), first, sample, channels),
                      decode_all(std::move(test_images), first, sample, channels), classes, ""};
    source.notices = std::move(notices);
    return source;
  }
  DataSource open_test() const override {
    const fs::path train = fs::path(path) / "train", test = fs::path(path) / "test";
    std::error_code unknown;  // classes without test images are known only from there
    const std::vector<std::string> classes = class_folders(fs::is_directory(train, unknown) ? train : test);
    Listing images = list_images(test, classes);
    const fs::path first = images.files[0];
    const DecodedImage sample = decode_image(first, channels);
    const std::string out = left_out(test, images);
    DataSource source{ImageSet{sample.height, sample.width, channels, {}, {}},
                      decode_all(std::move(images), first, sample, channels), classes, ""};
    if (!out.empty()) source.notices.push_back(out);
    return source;
  }
};

const bool image_folder_known = Registry<DataSettings>::add<ImageFolderSettings>(
    "image_folder", "JPEG and PNG files in folders split/class; all of one size");

}  // namespace
}  // namespace espalier
