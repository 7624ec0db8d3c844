// The file that TensorBoard reads: records whose checksums are right, with the row's numbers at its epoch.
#include "framework/io/event_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "framework/io/atomic_file.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

std::uint64_t little(std::string_view bytes) {
  std::uint64_t v = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
  return v;
}
std::uint32_t unmasked(std::uint64_t stored) {
  const auto rotated = static_cast<std::uint32_t>(stored) - 0xa282ead8U;
  return rotated << 15 | rotated >> 17;
}

/// The events of a file, each checked.
std::vector<std::string> events(const std::string& file) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < file.size();) {
    const std::string_view length = std::string_view(file).substr(at, 8);
    const std::size_t n = little(length);
    EXPECT_EQ(unmasked(little(std::string_view(file).substr(at + 8, 4))), crc32c(length));
    const std::string event = file.substr(at + 12, n);
    EXPECT_EQ(unmasked(little(std::string_view(file).substr(at + 12 + n, 4))), crc32c(event));
    all.push_back(event);
    at += 16 + n;
  }
  return all;
}

TEST(EventFile, ChecksumsAreThoseOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);  // RFC 3720, and every table of CRCs
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
}

TEST(EventFile, ARowBecomesItsNumbersAtItsEpoch) {
  const MetricsRow row{{"event", std::string("epoch")}, {"epoch", std::int64_t{300}}, {"loss", 0.5},
                       {"bad", std::nan("")}, {"note", std::string("text")}};
  const std::string record = event_record(row, event_step(row, 7), 2);
  const std::vector<std::string> all = events(record);
  ASSERT_EQ(all.size(), 1U);
  float half = 0.5F;
  std::string value(4, '\0');
  std::memcpy(value.data(), &half, 4);
  // wall_time 2.0 | step 300 as a varint | summary { value { tag "epoch/loss" simple_value 0.5 } }
  const std::string expected = std::string("\x09\0\0\0\0\0\0\0\x40", 9) + "\x10\xac\x02" + "\x2a\x13\x0a\x11" + "\x0a\x0a" +
                               "epoch/loss" + "\x15" + value;
  EXPECT_EQ(all[0], expected);
  EXPECT_TRUE(event_record({{"note", std::string("text")}}, 0, 0).empty()) << "nothing to draw";
}

TEST(EventFile, TheLogKeepsItInStepWithItsRows) {
  const testing::TempFolder folder;
  const MetricsRow row{{"event", std::string("epoch")}, {"epoch", std::int64_t{1}}, {"loss", 0.5}};
  const auto count = [&] { return events(read_whole_file(folder / event_file_name)).size(); };
  MetricsLog log(folder / "", 0, true);
  EXPECT_EQ(count(), 1U) << "the head";
  log.append(row);
  log.append(row);
  EXPECT_EQ(count(), 3U);
  log.truncate(1);
  EXPECT_EQ(count(), 2U) << "a resumed run says nothing twice";
  MetricsLog plain(folder / "", 0);
  EXPECT_EQ(count(), 2U) << "nobody asked";
}

}  // namespace
}  // namespace espalier
