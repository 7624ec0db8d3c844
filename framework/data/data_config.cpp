#include "framework/data/data_config.h"

#include <algorithm>
#include <numeric>

#include "framework/core/parallel.h"
#include "framework/data/hash.h"

namespace espalier {

void DataConfig::fields(Fields& f) {
  f.required().variant("source", source, "where the images come from");
  fit.fields(f);
  f("pad_to", pad_to,
    "pad images with black, evenly on all sides, to this height and width; 0: leave them as they are",
    {.low = 0, .high = 65536});
  f.optional_object("normalize", normalize,
                    "constants of (pixel / 255 - mean) / std; absent: measured on the training images");
  f("channels", channels, "of the images: data with others are refused; 0: as the data set has them",
    {.low = 0, .high = 64});
  f("class_names", class_names,
    "names of the classes in the order of the network's outputs; empty: as the data set has them. Data with the "
    "same names in another order are renumbered, others refused");
  f.object("augment", augment, "random changes of training images");
  f("workers", workers,
    "threads that decode and change training images while the last batch trains; 0: as many as the program has. "
    "Results do not depend on it",
    {.low = 0, .high = 256});
  f("cache_mb", cache_mb,
    "room in MB for images made by \"resize\" and \"crop\", so that they need not be made again. Results do not "
    "depend on it",
    {.low = 0, .high = 1e8});
  f("train_limit", train_limit, "use only the first n training images; 0: all", {.low = 0});
  f("test_limit", test_limit, "use only the first n test images; 0: all", {.low = 0});
  f("hold_out", hold_out,
    "the last n training images (of those in use) take the place of the test images and "
    "are not trained on: to choose settings without a look at the test images; 0: none",
    {.low = 0});
}

namespace {

void keep_first(ImageSet& set, Index n) {
  if (n == 0 || n >= set.size()) return;
  set.labels.resize(n);
  set.labels.shrink_to_fit();
  if (set.pictures) {
    set.numbers.resize(n);
    return;
  }
  set.pixels.resize(n * set.image_bytes());
  set.pixels.shrink_to_fit();
}

/// The last n training images become the test images.
void hold_out(DataSource& source, Index n) {
  if (n == 0) return;
  ImageSet& train = source.train;
  if (n >= train.size())
    fail(ExitCode::config,
         "data.hold_out is {}; there are only {} training images, and some must be left to train on", n,
         train.size());
  const auto kept = static_cast<std::size_t>(train.size() - n);
  source.test.labels.assign(train.labels.begin() + static_cast<std::ptrdiff_t>(kept), train.labels.end());
  source.test.pictures = train.pictures;
  if (train.pictures)
    source.test.numbers.assign(train.numbers.begin() + static_cast<std::ptrdiff_t>(kept),
                               train.numbers.end());
  else
    source.test.pixels.assign(train.pixels.begin() + static_cast<std::ptrdiff_t>(kept) *
                                                         static_cast<std::ptrdiff_t>(train.image_bytes()),
                              train.pixels.end());
  keep_first(train, static_cast<Index>(kept));
  std::vector<char> trained(source.class_names.size(), 0);
  for (const std::int32_t label : train.labels) trained[label] = 1;
  for (const std::int32_t label : source.test.labels)
    if (!trained[label]) {
      source.notices.push_back(
          fmt::format("data.hold_out took all images of class '{}' (the last images are held out, and these lie "
                      "sorted by class); \"test_share\" of an image_folder takes a share of every class",
                      source.class_names[label]));
      break;
    }
}

/// What every kind of data set promises; a new kind that breaks it is told here, not by a wrong result.
void check(const DataSource& source, const std::string& type, bool test_only) {
  const ImageSet &train = source.train, &test = source.test;
  for (const auto& [name, set] : {std::pair{"training", &train}, std::pair{"test", &test}}) {
    if (set->size() == 0 && !(test_only && set == &train))
      fail(ExitCode::data, "data.source ({}): there are no {} images", type, name);
    if (!set->pictures && static_cast<Index>(set->pixels.size()) != set->size() * set->image_bytes())
      fail(ExitCode::data, "data.source ({}): {} {} images of {} bytes do not make {} bytes", type,
           set->size(), name, set->image_bytes(), set->pixels.size());
    for (Index i = 0; i < set->size(); ++i)
      if (const auto label = set->labels[i]; label < 0 || label >= source.classes())
        fail(ExitCode::data, "data.source ({}): {} image {} has label {}; there are {} classes", type, name,
             i, label, source.classes());
  }
  if (train.height != test.height || train.width != test.width || train.channels != test.channels)
    fail(ExitCode::data,
         "data.source ({}): training images are {}x{}x{}, test images {}x{}x{}; they must be alike", type,
         train.height, train.width, train.channels, test.height, test.width, test.channels);
}

}  // namespace

std::string class_list(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  const std::vector<std::string> first(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), most)));
  return fmt::format("{}{}", fmt::join(first, ", "),
                     names.size() > most ? fmt::format(", ... ({} in all)", names.size()) : "");
}

ClassOrder compare_classes(const DataSource& source, const std::vector<std::string>& names) {
  if (source.class_names == names) return ClassOrder::same;
  std::vector<std::string> a = source.class_names, b = names;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  const bool distinct = std::adjacent_find(a.begin(), a.end()) == a.end();
  return distinct && a == b ? ClassOrder::permuted : ClassOrder::different;
}

void reorder_classes(DataSource& source, const std::vector<std::string>& names) {
  std::vector<std::int32_t> number;
  for (const std::string& name : source.class_names)
    number.push_back(static_cast<std::int32_t>(std::find(names.begin(), names.end(), name) - names.begin()));
  for (ImageSet* set : {&source.train, &source.test})
    for (std::int32_t& label : set->labels) label = number[label];
  source.class_names = names;
}

namespace {

/// Images of the extents that `fit` says, made of the pictures of a source when they are asked for.
DataSource fit_source(PictureSource from, const PictureFit& fit, double room) {
  DataSource source;
  const auto make = [&](PictureSource::Part& part, ImageSet& set, int channels) {
    set.height = fit.height();
    set.width = fit.width();
    set.channels = channels;
    if (!part.pictures) return;
    set.numbers.resize(part.labels.size());
    std::iota(set.numbers.begin(), set.numbers.end(), Index{0});
    set.labels = std::move(part.labels);
    set.pictures = std::make_shared<FittedPictures>(std::move(part.pictures), fit, room);
    room -= set.pictures->room();  // the test images come first: every epoch reads them the same way
  };
  if (!from.test.pictures && !from.train.pictures) fail(ExitCode::data, "data.source: there are no pictures");
  const Pictures& any = from.test.pictures ? *from.test.pictures : *from.train.pictures;
  const int channels = any.channels();
  make(from.test, source.test, channels);
  make(from.train, source.train, channels);
  source.class_names = std::move(from.class_names);
  source.notices = std::move(from.notices);
  return source;
}

DataSource open_source(const DataConfig& config, bool test_only) {
  if (config.fit.any())
    return fit_source(config.source->open_pictures(test_only), config.fit, 1e6 * config.cache_mb);
  return test_only ? config.source->open_test() : config.source->open();
}

/// Pictures that are in memory, all of one size.
class MemoryPictures final : public Pictures {
 public:
  explicit MemoryPictures(ImageSet set) : set_(std::move(set)) {}
  Index size() const override { return set_.size(); }
  int channels() const override { return set_.channels; }
  void read(Index i, FunctionRef<void(const PictureView&)> use) const override {
    use({set_.image(i).data(), set_.height, set_.width, set_.channels});
  }
  void identify(Index i, Sha256& hash) const override { hash.add(set_.image(i)); }
  double bytes_to_read() const override { return 0; }

 private:
  ImageSet set_;
};

}  // namespace

PictureSource DataSettings::open_pictures(bool test_only) const {
  DataSource source = test_only ? open_test() : open();
  PictureSource result{{}, {}, std::move(source.class_names), std::move(source.notices)};
  const auto take = [](ImageSet& set, PictureSource::Part& part) {
    if (set.size() == 0) return;
    part.labels = set.labels;
    part.pictures = std::make_shared<MemoryPictures>(std::move(set));
  };
  take(source.train, result.train);
  take(source.test, result.test);
  return result;
}

PictureMemory picture_memory(const LoadedData& data) {
  PictureMemory memory;
  memory.workers = data.workers > 0 ? data.workers : threads();
  const FittedPictures *train = data.source.train.pictures.get(), *test = data.source.test.pictures.get();
  const int readers = std::max(memory.workers, threads());
  for (const FittedPictures* made : {train, test == train ? nullptr : test}) {
    if (!made) continue;
    memory.kept += made->room();
    memory.reading = std::max(memory.reading, readers * made->pictures().bytes_to_read());
  }
  return memory;
}

LoadedData open_data(const DataConfig& config, DataUse use) {
  if (!config.source)
    fail(ExitCode::config, "data.source is missing; name a data set, such as \"fashion_mnist\"");
  const bool test_only = use == DataUse::test && config.normalize && config.hold_out == 0;
  LoadedData data{open_source(config, test_only), {}, config.augment, config.fit, config.workers};
  DataSource& source = data.source;
  check(source, config.source.type, test_only);
  if (config.channels && config.channels != source.train.channels)
    fail(
        ExitCode::data,
        "data.channels is {} (as the network's checkpoint says, if not the config), but data.source ({}) has "
        "images of {} channel(s)",
        config.channels, config.source.type, source.train.channels);
  keep_first(source.train, config.train_limit);
  hold_out(source, config.hold_out);
  keep_first(source.test, config.test_limit);
  source.test_hash = hash_images({}, source.test);
  source.hash = hash_images(source.train, source.test);  // of what is in the files, in their own order
  if (!config.class_names.empty()) {
    const ClassOrder order = compare_classes(source, config.class_names);
    if (order == ClassOrder::different)
      fail(ExitCode::data,
           "data.class_names are {}, but data.source ({}) has the classes {}; point it at the same data, or "
           "correct or remove data.class_names",
           class_list(config.class_names), config.source.type, class_list(source.class_names));
    if (order == ClassOrder::permuted) {
      source.notices.push_back(fmt::format(
          "the classes of the data are {}; they are renumbered in the order of data.class_names: {}",
          class_list(source.class_names), class_list(config.class_names)));
      reorder_classes(source, config.class_names);
    }
  }
  data.preprocessing.height = config.pad_to ? config.pad_to : source.train.height;
  data.preprocessing.width = config.pad_to ? config.pad_to : source.train.width;
  data.preprocessing.normalization =
      config.normalize ? *config.normalize : measure_normalization(source.train);
  const ImageConverter fits(source.train, data.preprocessing);  // throws here, before hours of anything else
  return data;
}

}  // namespace espalier
