#include "framework/data/pictures.h"

#include <algorithm>
#include <filesystem>

#include "framework/data/decode_image.h"
#include "framework/data/hash.h"

namespace espalier {

FittedPictures::FittedPictures(std::shared_ptr<const Pictures> pictures, const PictureFit& fit, double room)
    : pictures_(std::move(pictures)),
      fit_(fit),
      kept_(std::min(pictures_->size(), static_cast<Index>(room / static_cast<double>(image_bytes())))),
      images_(new std::uint8_t[kept_ * image_bytes()]),
      slots_(std::make_unique<std::atomic<Slot>[]>(kept_)) {}

void FittedPictures::image(Index i, std::uint8_t* out) const {
  const auto make = [&] {
    pictures_->read(i, [&](const PictureView& picture) { fit_picture(picture, fit_, out); });
  };
  if (i >= kept_) return make();
  std::uint8_t* kept = images_.get() + i * image_bytes();
  if (slots_[i].load(std::memory_order_acquire) == Slot::full) {
    std::copy_n(kept, image_bytes(), out);
    return;
  }
  make();
  Slot expected = Slot::empty;  // of several threads one keeps it
  if (!slots_[i].compare_exchange_strong(expected, Slot::filling)) return;
  std::copy_n(out, image_bytes(), kept);
  slots_[i].store(Slot::full, std::memory_order_release);
}

void FittedPictures::random_crop(Index i, const RandomResizedCrop& settings, Random& random,
                                 std::uint8_t* out) const {
  pictures_->read(i, [&](const PictureView& picture) {
    const Box box = draw_crop(settings, picture.height, picture.width, random);
    resize_bilinear(picture, box, fit_.height(), fit_.width(), {0, 0, fit_.height(), fit_.width()}, out);
  });
}

namespace {

class PictureFiles final : public Pictures {
 public:
  PictureFiles(std::vector<std::string> paths, std::size_t root, int channels, double bytes)
      : paths_(std::move(paths)), root_(root), channels_(channels), bytes_(bytes) {}
  Index size() const override { return static_cast<Index>(paths_.size()); }
  int channels() const override { return channels_; }
  void read(Index i, FunctionRef<void(const PictureView&)> use) const override {
    const DecodedImage image = decode_image(std::filesystem::path(paths_[i]), channels_);
    use({image.pixels.data(), image.height, image.width, channels_});
  }
  void identify(Index i, Sha256& hash) const override {
    std::error_code unknown;  // a file that has gone since is missed when it is read
    const std::string text = fmt::format("{}\n{}\n", std::string_view(paths_[i]).substr(root_),
                                         std::filesystem::file_size(paths_[i], unknown));
    hash.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  double bytes_to_read() const override { return bytes_; }

 private:
  std::vector<std::string> paths_;
  std::size_t root_;
  int channels_;
  double bytes_;
};

}  // namespace

std::shared_ptr<const Pictures> picture_files(std::vector<std::string> paths, const std::string& root,
                                              int channels, double bytes_to_read) {
  return std::make_shared<PictureFiles>(std::move(paths), root.size(), channels, bytes_to_read);
}

}  // namespace espalier
