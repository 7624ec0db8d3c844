// cifar100.cpp: CIFAR-100 (Krizhevsky 2009), 50,000 + 10,000 images of 32x32x3, each with one of 20 coarse
// and one of 100 fine labels, from its binary files.
#include "datasets/cifar_records.h"

namespace espalier {
namespace {

enum class Labels { fine, coarse };

struct Cifar100Settings final : DataSettings {
  std::string path;
  Labels labels = Labels::fine;
  std::vector<std::string> train_files{"train.bin"}, test_files{"test.bin"};

  void fields(Fields& f) override {
    f.required().path("path", path, "folder with train.bin and test.bin");
    f.one_of("labels", labels, {{"fine", Labels::fine}, {"coarse", Labels::coarse}},
             "100 fine or 20 coarse classes");
    f("train_files", train_files,
      "files of the training images; other names than the standard ones may hold any number");
    f("test_files", test_files, "files of the test images");
    f.rule(!train_files.empty() && !test_files.empty(), "train_files and test_files must each name a file");
  }
  DataSource open() const override {
    const std::vector<std::string> standard = Cifar100Settings().train_files;
    return with_train(read_cifar(path, train_files, format(), train_files == standard ? 50000 : 0));
  }
  DataSource open_test() const override { return with_train({32, 32, 3, {}, {}}); }

 private:
  CifarFormat format() const {
    const bool fine = labels == Labels::fine;
    return {.label_bytes = 2, .label_at = fine ? 1 : 0, .classes = fine ? 100 : 20};
  }
  DataSource with_train(ImageSet train) const {
    std::vector<std::string> numbered;  // the names come with the data set; without them, numbers do
    numbered.reserve(100);
    for (int i = 0; i < format().classes; ++i) numbered.push_back(fmt::format("class {}", i));
    const auto names = labels == Labels::fine ? "fine_label_names.txt" : "coarse_label_names.txt";
    const std::vector<std::string> standard = Cifar100Settings().test_files;
    return {std::move(train), read_cifar(path, test_files, format(), test_files == standard ? 10000 : 0),
            read_class_names(std::filesystem::path(path) / names, std::move(numbered)), ""};
  }
};

const bool cifar100_known = Registry<DataSettings>::add<Cifar100Settings>(
    "cifar100", "CIFAR-100, binary files; 32x32x3, 100 fine or 20 coarse classes");

}  // namespace
}  // namespace espalier
