// cifar10.cpp: CIFAR-10 (Krizhevsky 2009),
// 50,000 + 10,000 images of 32x32x3 in 10 classes, from its binary files.
#include "datasets/cifar_records.h"

namespace espalier {
namespace {

using Files = std::vector<std::string>;
const Files standard_train{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                           "data_batch_5.bin"};
const Files standard_test{"test_batch.bin"};
const Files standard_names{"airplane", "automobile", "bird",  "cat",  "deer",
                           "dog",      "frog",       "horse", "ship", "truck"};

struct Cifar10Settings final : DataSettings {
  std::string path;
  Files train_files = standard_train, test_files = standard_test;

  void fields(Fields& f) override {
    f.required().path("path", path, "folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin");
    f("train_files", train_files,
      "files of the training images; other names than the standard ones may hold any number");
    f("test_files", test_files, "files of the test images");
    f.rule(!train_files.empty() && !test_files.empty(), "train_files and test_files must each name a file");
  }
  DataSource open() const override {
    const CifarFormat format{.label_bytes = 1, .label_at = 0, .classes = 10};
    const auto records = [](const Files& files, const Files& standard) {
      return files == standard ? 10000 : 0;
    };
    return {read_cifar(path, train_files, format, records(train_files, standard_train)),
            read_cifar(path, test_files, format, records(test_files, standard_test)),
            read_class_names(std::filesystem::path(path) / "batches.meta.txt", standard_names), ""};
  }
  DataSource open_test() const override {
    const CifarFormat format{.label_bytes = 1, .label_at = 0, .classes = 10};
    return {ImageSet{32, 32, 3, {}, {}},
            read_cifar(path, test_files, format, test_files == standard_test ? 10000 : 0),
            read_class_names(std::filesystem::path(path) / "batches.meta.txt", standard_names), ""};
  }
};

const bool cifar10_known =
    Registry<DataSettings>::add<Cifar10Settings>("cifar10", "CIFAR-10, binary files; 32x32x3, 10 classes");

}  // namespace
}  // namespace espalier
