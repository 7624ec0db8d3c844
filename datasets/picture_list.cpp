#include "datasets/picture_list.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "framework/core/random.h"
#include "framework/data/decode_image.h"

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

/// The names of the class folders in `split`, sorted. Hidden ones do not count.
std::vector<std::string> class_folders(const fs::path& split) {
  std::error_code unknown;  // a name too long, a link to itself: as good as no folder
  if (!fs::is_directory(split, unknown))
    fail(
        ExitCode::data,
        "{}: no such folder; an image folder holds train/CLASS/*.jpg and test/CLASS/*.jpg. Other names go into "
        "data.source.train_folder and test_folder; \"test_share\": 0.2 needs no test folder",
        split.string());
  std::vector<std::string> names;
  for (const auto& entry : sorted_entries(split))
    if (const auto name = entry.filename().string(); fs::is_directory(entry, unknown) && name[0] != '.')
      names.push_back(name);
  if (names.empty()) fail(ExitCode::data, "{}: holds no class folder", split.string());
  return names;
}

/// Pictures by their name. "._0.png" and other hidden files are notes that systems keep beside a file.
bool is_picture(const fs::path& file) {
  return !file.filename().string().starts_with('.') && has_picture_name(file);
}

/// What lies in the class folders and is not read, with an example of each.
struct LeftOut {
  std::size_t hidden = 0, folders = 0, others = 0;
  fs::path a_folder, an_other;

  void add(const fs::path& entry, bool folder) {
    if (entry.filename().string().starts_with('.'))
      ++hidden;
    else if (folder)
      ++folders, a_folder = entry;
    else
      ++others, an_other = entry;
  }
  /// One sentence; empty if all was read.
  std::string text(const fs::path& split, std::size_t read) const {
    std::vector<std::string> parts;
    if (hidden) parts.push_back(fmt::format("{} hidden file(s)", hidden));
    if (folders)
      parts.push_back(
          fmt::format("{} folder(s) within class folders, such as {}", folders, a_folder.string()));
    if (others)
      parts.push_back(fmt::format("{} file(s) that are no .jpg, .jpeg, .png, .bmp, .pgm or .ppm, such as {}",
                                  others, an_other.string()));
    if (parts.empty()) return "";
    return fmt::format("{}: {} picture(s) read; left out: {}", split.string(), read, fmt::join(parts, "; "));
  }
};

/// The pictures in the folders of `split`, class by class in the order of `classes`, by name within a class.
PictureList list_folder(const fs::path& split, const std::vector<std::string>& classes,
                        std::vector<std::string>& notices) {
  PictureList list;
  LeftOut left_out;
  for (const std::string& name : class_folders(split)) {
    const auto found = std::ranges::lower_bound(classes, name);
    if (found == classes.end() || *found != name)
      fail(ExitCode::data, "{}: class '{}' has no folder beside the training images ({})",
           (split / name).string(), name, fmt::join(classes, ", "));
    const std::size_t before = list.files.size();
    std::size_t others = 0;
    for (const auto& file : sorted_entries(split / name)) {
      std::error_code ignored;
      const bool folder = fs::is_directory(file, ignored);
      if (is_picture(file) && !folder) {
        list.files.push_back(file);
        continue;
      }
      ++others;
      left_out.add(file, folder);
    }
    if (list.files.size() == before)
      fail(ExitCode::data,
           "{}: the class folder has no .jpg, .jpeg, .png, .bmp, .pgm or .ppm file ({} others); add some or "
           "remove it",
           (split / name).string(), others);
    list.labels.resize(list.files.size(), static_cast<std::int32_t>(found - classes.begin()));
  }
  if (std::string text = left_out.text(split, list.files.size()); !text.empty())
    notices.push_back(std::move(text));
  return list;
}

/// Moves `share` of every class, drawn by `seed`, to the test pictures: at least one, and never all.
void hold_out(PictureLists& lists, double share, std::uint64_t seed, const fs::path& folder) {
  const std::size_t classes = lists.classes.size();
  std::vector<std::vector<std::size_t>> members(classes);
  for (std::size_t i = 0; i < lists.train.labels.size(); ++i) members[lists.train.labels[i]].push_back(i);
  std::vector<char> tested(lists.train.labels.size(), 0);
  for (std::size_t k = 0; k < classes; ++k) {
    std::vector<std::size_t>& of_class = members[k];
    if (of_class.empty()) continue;
    if (of_class.size() < 2)
      fail(ExitCode::data,
           "{}: class '{}' has one picture; data.source.test_share needs two, to train and to test on",
           folder.string(), lists.classes[k]);
    Random(seed, Random::Use::shuffle, {k}).shuffle(of_class);
    const auto count = std::clamp<std::size_t>(
        static_cast<std::size_t>(std::llround(share * static_cast<double>(of_class.size()))), 1,
        of_class.size() - 1);
    for (std::size_t i = 0; i < count; ++i) tested[of_class[i]] = 1;
  }
  const PictureList all = std::move(lists.train);
  lists.train = {};
  for (std::size_t i = 0; i < all.files.size(); ++i) {
    PictureList& part = tested[i] ? lists.test : lists.train;
    part.files.push_back(all.files[i]);
    part.labels.push_back(all.labels[i]);
  }
}

/// One line of a list file: a path, and after the last white space a class by number or name.
struct Line {
  fs::path file;
  std::string label;
  std::string where;  // for messages
};

std::vector<Line> read_list(const fs::path& folder, const std::string& list) {
  const fs::path path = fs::path(list).is_absolute() ? fs::path(list) : folder / list;
  std::vector<Line> lines;
  std::size_t number = 0;
  for (std::string text : read_lines(path)) {
    ++number;
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
    const std::size_t gap = text.find_last_of(" \t,");
    const std::size_t end = gap == std::string::npos ? gap : text.find_last_not_of(" \t,", gap);
    if (end == std::string::npos)
      fail(ExitCode::data, "{}: entry {} (\"{}\") is not a path and a class, such as \"cat/1.jpg 3\"",
           path.string(), number, text.substr(0, 60));
    const fs::path file = text.substr(0, end + 1);
    lines.push_back({file.is_absolute() ? file : folder / file, text.substr(gap + 1),
                     fmt::format("{}: entry {}", path.string(), number)});
  }
  if (lines.empty()) fail(ExitCode::data, "{}: names no picture", path.string());
  return lines;
}

std::optional<std::int32_t> number_of(const std::string& text) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Classes of lists that do not say them apart: numbers count from 0, names are sorted.
std::vector<std::string> classes_of(const std::vector<Line>& lines) {
  std::set<std::string> names;
  std::int32_t most = -1;
  bool numbers = true;
  for (const Line& line : lines) {
    names.insert(line.label);
    const std::optional<std::int32_t> n = number_of(line.label);
    numbers &= n.has_value();
    most = std::max(most, n.value_or(0));
  }
  if (!numbers) return {names.begin(), names.end()};
  constexpr std::int32_t most_classes = 100'000;
  if (most >= most_classes)
    fail(ExitCode::data, "{}: class number {}; numbers count from 0 to at most {}", lines[0].where, most,
         most_classes - 1);
  std::vector<std::string> classes;
  for (std::int32_t k = 0; k <= most; ++k) classes.push_back(std::to_string(k));
  return classes;
}

PictureList list_of(const std::vector<Line>& lines, const std::vector<std::string>& classes) {
  PictureList list;
  for (const Line& line : lines) {
    std::optional<std::int32_t> label = number_of(line.label);
    if (const auto named = std::ranges::find(classes, line.label); named != classes.end())
      label = static_cast<std::int32_t>(named - classes.begin());
    if (!label || *label < 0 || *label >= static_cast<std::int32_t>(classes.size()))
      fail(
          ExitCode::data,
          "{}: class \"{}\" is none of the {} (numbers count from 0; data.source.list_classes may name them)",
          line.where, line.label, classes.size());
    list.files.push_back(line.file);
    list.labels.push_back(*label);
  }
  return list;
}

}  // namespace

void PictureSplit::fields(Fields& f) {
  f("train_folder", train_folder, "folder in \"path\" with the folders of the classes, to train on");
  f("test_folder", test_folder, "the same to test on");
  f("train_list", train_list,
    "text file, in \"path\" or anywhere, with a line PATH CLASS for each training picture, instead of folders; CLASS is "
    "a number from 0 or a name");
  f("test_list", test_list, "the same of the test pictures");
  f("list_classes", list_classes,
    "names of the classes in the order of the numbers in the lists; empty: the numbers, or the names sorted");
  f("test_share", test_share,
    "share of every class that is held out of the training pictures to test on; no test folder or list is needed "
    "then, and the folders of the classes may lie in \"path\" itself",
    {.low = 0, .high = 1, .high_open = true});
  f("split_seed", split_seed, "which pictures \"test_share\" holds out");
  f.rule(test_list.empty() || !train_list.empty(),
         "test_list needs train_list: folders and lists do not mix");
  f.rule(train_list.empty() || (test_share > 0) != !test_list.empty(),
         "train_list needs test_list or test_share, and not both");
}

PictureLists PictureSplit::read(const fs::path& folder, bool test_only) const {
  PictureLists lists;
  if (!train_list.empty()) {
    std::error_code unknown;
    if (!fs::is_directory(folder, unknown)) fail(ExitCode::data, "{}: no such folder", folder.string());
    const std::vector<Line> train = read_list(folder, train_list);
    lists.classes = list_classes.empty() ? classes_of(train) : list_classes;
    lists.train = list_of(train, lists.classes);
    if (!test_list.empty()) lists.test = list_of(read_list(folder, test_list), lists.classes);
  } else {
    const fs::path train = folder / train_folder, test = folder / test_folder;
    std::error_code unknown;
    const bool has_train = fs::is_directory(train, unknown);
    if (test_share > 0) {
      const fs::path all = has_train ? train : folder;
      lists.classes = class_folders(all);
      lists.train = list_folder(all, lists.classes, lists.notices);
    } else {
      // Classes without test pictures are known only from the training pictures.
      lists.classes = class_folders(test_only && !has_train ? test : train);
      if (!test_only) lists.train = list_folder(train, lists.classes, lists.notices);
      lists.test = list_folder(test, lists.classes, lists.notices);
    }
  }
  if (test_share > 0) hold_out(lists, test_share, split_seed, folder);
  if (test_only) lists.train = {};
  return lists;
}

}  // namespace espalier
