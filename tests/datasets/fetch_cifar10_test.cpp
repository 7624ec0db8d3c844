// fetch_cifar10_test.cpp: tools/fetch_cifar10 unpacks nothing but the published archive. No network is used.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>

#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using testing::TempFolder;
namespace fs = std::filesystem;

const std::string script = std::string(ESPALIER_SOURCE_DIR) + "/tools/fetch_cifar10";

struct Result {
  int code;
  std::string output;
};
std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
Result run(const TempFolder& folder, const std::string& command) {
  const auto log = folder / "log";
  const int status = std::system(("(" + command + ") > '" + log.string() + "' 2>&1").c_str());
  return {WEXITSTATUS(status), content(log)};
}

TEST(FetchCifar10, RefusesAWrongFileAndLeavesIt) {
  const TempFolder folder;
  const auto wrong = folder.write_text("wrong.tar.gz", "half a download");
  const Result r =
      run(folder, "sh '" + script + "' --from '" + wrong.string() + "' '" + folder.str() + "/out'");
  EXPECT_EQ(r.code, 4) << r.output;
  EXPECT_NE(r.output.find(wrong.string()), std::string::npos) << r.output;
  EXPECT_NE(r.output.find("c32a1d4ab5d03f1284b67883e8d87530"), std::string::npos) << r.output;
  EXPECT_EQ(content(wrong), "half a download");
  EXPECT_FALSE(fs::exists(folder / "out/cifar-10-batches-bin"));
}

TEST(FetchCifar10, RefusesAWrongArchiveThatLiesInTheFolder) {
  const TempFolder folder;
  const auto wrong = folder.write_text("cifar-10-binary.tar.gz", "another file");
  const Result r = run(folder, "sh '" + script + "' '" + folder.str() + "'");
  EXPECT_EQ(r.code, 4) << r.output;
  EXPECT_NE(r.output.find("MD5"), std::string::npos) << r.output;
  EXPECT_EQ(content(wrong), "another file");
}

/// The archive cannot be here, so the script is given the MD5 of one that is; all else is as shipped.
TEST(FetchCifar10, UnpacksTheArchiveWithTheRightMd5) {
  const TempFolder folder;
  folder.write_text("in/cifar-10-batches-bin/test_batch.bin", "test");
  folder.write_text("in/cifar-10-batches-bin/data_batch_1.bin", "train");
  const std::string root = folder.str();
  ASSERT_EQ(run(folder, "tar -czf '" + root + "/a.tar.gz' -C '" + root +
                            "/in' cifar-10-batches-bin && sum=$(md5sum < '" + root +
                            "/a.tar.gz') && sed \"s/^published=.*/published=${sum%% *}/\" '" + script +
                            "' > '" + root + "/fetch'")
                .code,
            0);
  const std::string fetch = "sh '" + root + "/fetch' --from '" + root + "/a.tar.gz' '" + root + "/out'";
  const Result first = run(folder, fetch);
  EXPECT_EQ(first.code, 0) << first.output;
  EXPECT_EQ(content(folder / "out/cifar-10-batches-bin/data_batch_1.bin"), "train");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "out"), {}), 1) << "something was left behind";
  const Result second = run(folder, fetch);
  EXPECT_EQ(second.code, 0);
  EXPECT_NE(second.output.find("already there"), std::string::npos) << second.output;
}

/// A stand-in for curl shows what happens to a download:
/// a part is kept under another name and checked in the end.
TEST(FetchCifar10, AWrongDownloadIsRefusedAndABrokenOneKept) {
  const TempFolder folder;
  const std::string root = folder.str(),
                    path = "PATH='" + root + "/bin':\"$PATH\" sh '" + script + "' '" + root + "/out'";
  const auto install_curl = [&](const std::string& end) {
    const auto curl = folder.write_text("bin/curl",
                                        "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\n"
                                        "printf part >> \"$2\"\n" +
                                            end + "\n");
    fs::permissions(curl, fs::perms::owner_all);
  };
  install_curl("exit 18");
  const Result stopped = run(folder, path);
  EXPECT_EQ(stopped.code, 4) << stopped.output;
  EXPECT_NE(stopped.output.find("run again to continue"), std::string::npos) << stopped.output;
  install_curl("exit 0");
  const Result wrong = run(folder, path);
  EXPECT_EQ(wrong.code, 4) << wrong.output;
  EXPECT_NE(wrong.output.find("MD5"), std::string::npos) << wrong.output;
  EXPECT_EQ(content(folder / "out/cifar-10-binary.tar.gz.part"), "partpart")
      << "the second run continues the first";
  EXPECT_FALSE(fs::exists(folder / "out/cifar-10-binary.tar.gz"));
}

TEST(FetchCifar10, ExplainsItself) {
  const TempFolder folder;
  const Result help = run(folder, "sh '" + script + "' --help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.output.find("--from FILE DIR"), std::string::npos) << help.output;
  for (const std::string wrong : {"", "--form x", "a b", "--from"})
    EXPECT_EQ(run(folder, "sh '" + script + "' " + wrong).code, 2) << wrong;
}

}  // namespace
}  // namespace espalier
