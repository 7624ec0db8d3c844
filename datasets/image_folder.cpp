// image_folder.cpp: pictures in folders named after their class, or named in lists (picture_list.h). Without
// data.resize and data.crop all must have one size and are read into memory; with them, pictures of any size are
// decoded when they are needed.
#include <algorithm>
#include <mutex>

#include "datasets/picture_list.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/data/decode_image.h"
#include "framework/data/image_set.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

enum class Damaged { refuse, skip };

/// What is wrong with files of a folder, so that all are told at once.
class Problems {
 public:
  void add(Index file, std::string text) {
    const std::lock_guard lock(guard_);
    found_.emplace_back(file, std::move(text));
  }
  /// The first few, in the order of the files.
  std::string text() {
    constexpr std::size_t most = 8;
    std::ranges::sort(found_);
    std::string all;
    for (std::size_t i = 0; i < std::min(found_.size(), most); ++i)
      all += (i ? "\n  " : "") + found_[i].second;
    if (found_.size() > most) all += fmt::format("\n  ... and {} more files", found_.size() - most);
    return all;
  }
  /// Throws Error(data), or takes the files out of `list` and says so.
  void settle(Damaged damaged, PictureList& list, std::vector<std::string>& notices) {
    if (found_.empty()) return;
    if (damaged == Damaged::refuse)
      fail(ExitCode::data, "{}{}", text(),
           found_.size() > 1
               ? "\n(\"damaged\": \"skip\" in data.source goes on without files that cannot be read)"
               : "");
    notices.push_back(fmt::format("{} of {} pictures cannot be read and are left out:\n  {}", found_.size(),
                                  list.files.size(), text()));
    std::vector<char> bad(list.files.size(), 0);
    for (const auto& [file, reason] : found_) bad[file] = 1;
    PictureList good;
    for (std::size_t i = 0; i < list.files.size(); ++i) {
      if (bad[i]) continue;
      good.files.push_back(std::move(list.files[i]));
      good.labels.push_back(list.labels[i]);
    }
    list = std::move(good);
    if (list.files.empty()) fail(ExitCode::data, "no picture is left");
  }
  bool has(Index file) const {
    return std::ranges::any_of(found_, [&](const auto& f) { return f.first == file; });
  }

 private:
  std::mutex guard_;
  std::vector<std::pair<Index, std::string>> found_;
};

/// Calls `look` for every file, on all threads; what it throws about the data becomes a problem.
void look_at_all(const PictureList& list, Problems& problems, const std::function<void(Index)>& look) {
  parallel_for(static_cast<Index>(list.files.size()), 8, [&](Range part) {
    for (Index i = part.begin; i < part.end; ++i) {
      try {
        look(i);
      } catch (const Error& e) {
        if (e.code() != ExitCode::data) throw;
        problems.add(i, e.what());
      }
    }
  });
}

struct ImageFolderSettings final : DataSettings {
  std::string path;
  int channels = 3;
  PictureSplit split;
  Damaged damaged = Damaged::refuse;
  bool verify = true;

  void fields(Fields& f) override {
    f.required().path(
        "path", path,
        "folder that holds train/CLASS/*.jpg and test/CLASS/*.jpg (.jpeg, .png, .bmp, .pgm, .ppm), or what the "
        "settings below say");
    f("channels", channels, "3 (red, green, blue) or 1 (grey); images are converted", {.low = 1, .high = 3});
    split.fields(f);
    f.one_of(
        "damaged", damaged, {{"refuse", Damaged::refuse}, {"skip", Damaged::skip}},
        "what becomes of files that cannot be read: refuse: the run does not begin; skip: they are listed and left "
        "out");
    f("verify", verify,
      "with data.resize or data.crop: decode every file once before anything else, so that damaged ones are known. "
      "false: look at their headers only; a file damaged further on then ends the run when it is met");
    f.rule(channels == 1 || channels == 3, fmt::format("channels is {}; it must be 1 or 3", channels));
  }

  DataSource open() const override { return read(false); }
  DataSource open_test() const override { return read(true); }
  PictureSource open_pictures(bool test_only) const override {
    PictureLists lists = split.read(path, test_only);
    PictureSource source{{}, {}, std::move(lists.classes), std::move(lists.notices)};
    source.train = look_at(lists.train, source.notices);
    source.test = look_at(lists.test, source.notices);
    return source;
  }

 private:
  DataSource read(bool test_only) const {
    PictureLists lists = split.read(path, test_only);
    // Of one size: that of the first that can be read.
    fs::path first;
    DecodedImage sample;
    for (const PictureList* list : {&lists.train, &lists.test})
      for (const fs::path& file : list->files) {
        if (!first.empty()) break;
        try {
          sample = decode_image(file, channels);
          first = file;
        } catch (const Error& e) {
          if (e.code() != ExitCode::data || damaged == Damaged::refuse) throw;
        }
      }
    DataSource source;
    source.train = {sample.height, sample.width, channels, {}, {}};
    source.notices = std::move(lists.notices);
    if (!test_only) source.train = decode_all(std::move(lists.train), first, sample, source.notices);
    source.test = decode_all(std::move(lists.test), first, sample, source.notices);
    source.class_names = std::move(lists.classes);
    return source;
  }

  /// All files in memory; each must have the size of `first`, which is named in the message if not.
  ImageSet decode_all(PictureList list, const fs::path& first, const DecodedImage& sample,
                      std::vector<std::string>& notices) const {
    ImageSet set{sample.height, sample.width, channels, {}, {}};
    const auto count = static_cast<Index>(list.files.size());
    require_memory(
        static_cast<double>(count) * static_cast<double>(set.image_bytes()),
        fmt::format("{}: {} images of {}x{} (data.crop with these numbers decodes them when they are needed)",
                    path, count, set.height, set.width));
    set.pixels.resize(count * set.image_bytes());
    Problems problems;
    look_at_all(list, problems, [&](Index i) {
      const fs::path& file = list.files[i];
      const DecodedImage image = decode_image(file, channels);
      if (image.height != set.height || image.width != set.width)
        fail(
            ExitCode::data,
            "{}: {}x{} pixels (height x width), but {} has {}x{}; all images must have one size (data.resize and "
            "data.crop bring them to one)",
            file.string(), image.height, image.width, first.string(), set.height, set.width);
      std::ranges::copy(image.pixels, set.pixels.begin() + i * set.image_bytes());
    });
    Index good = 0;  // the bytes of those that could not be read leave too
    for (Index i = 0; i < count; ++i) {
      if (problems.has(i)) continue;
      if (good != i)
        std::copy_n(set.pixels.begin() + i * set.image_bytes(), set.image_bytes(),
                    set.pixels.begin() + good * set.image_bytes());
      ++good;
    }
    problems.settle(damaged, list, notices);
    set.pixels.resize(good * set.image_bytes());
    set.labels = std::move(list.labels);
    return set;
  }

  /// Pictures to be decoded later: all are looked at now, as far as `verify` says.
  PictureSource::Part look_at(PictureList& list, std::vector<std::string>& notices) const {
    if (list.files.empty()) return {};
    Problems problems;
    std::mutex guard;
    double most = 0;
    look_at_all(list, problems, [&](Index i) {
      const fs::path& file = list.files[i];
      ImageExtents extents{};
      if (verify) {
        const DecodedImage image = decode_image(file, channels);
        extents = {image.height, image.width};
      } else {
        extents = image_extents(file);
      }
      std::error_code unknown;
      // Coefficients of a progressive JPEG, its pixels, and those turned upright.
      const double bytes =
          8.0 * extents.height * extents.width + static_cast<double>(fs::file_size(file, unknown));
      const std::lock_guard lock(guard);
      most = std::max(most, bytes);
    });
    problems.settle(damaged, list, notices);
    std::vector<std::string> paths;
    paths.reserve(list.files.size());
    for (const fs::path& file : list.files) paths.push_back(file.string());
    return {picture_files(std::move(paths), path, channels, most), std::move(list.labels)};
  }
};

const bool image_folder_known = Registry<DataSettings>::add<ImageFolderSettings>(
    "image_folder",
    "picture files (JPEG, PNG, BMP, PGM, PPM) in folders split/class or named in lists; of one size, or of any with "
    "data.resize");

}  // namespace
}  // namespace espalier
