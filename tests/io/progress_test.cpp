// The progress line, on a terminal and in a log file, with a clock that the test turns.
#include "framework/io/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace espalier {
namespace {

/// A progress bar that writes into memory.
struct Recorder {
  double time = 0;
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = ::open_memstream(&text, &size);
  Recorder() = default;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder() {
    std::fclose(file);
    std::free(text);
  }
  Progress progress(Progress::Mode mode, std::int64_t total, std::size_t columns = 100) {
    return Progress(
        "epoch 3/8", total, "images", mode, file, [this] { return time; }, columns);
  }
  std::string output() {
    std::fflush(file);
    return {text, size};
  }
};

std::size_t count(const std::string& text, char c) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), c));
}

TEST(Progress, TheLineSaysHowFarHowFastAndHowLong) {
  Recorder r;
  Progress p = r.progress(Progress::Mode::log, 100'000);
  p.update(0);
  r.time = 25;
  p.update(61'000, "loss 0.412");
  // 2,440 images a second; the other 39,000 take 15.98 s.
  EXPECT_EQ(r.output(), "epoch 3/8  [######....]  61 %  2,440 images/s  loss 0.412  time left 0:16\n");
  r.time = 41;
  p.update(100'000, "loss 0.4");
  p.done();
  // Then 39,000 in 16 s; the last line is about the whole: 100,000 in 41 s.
  EXPECT_EQ(r.output().substr(r.output().find('\n') + 1),
            "epoch 3/8  [##########] 100 %  2,438 images/s  loss 0.4  time left 0:00\n"
            "epoch 3/8  [##########] 100 %  2,439 images/s  loss 0.4  time 0:41\n");
}

TEST(Progress, TheRateIsThatOfTheLastSeconds) {
  Recorder r;
  Progress p = r.progress(Progress::Mode::log, 1'000'000);
  for (; r.time < 60; r.time += 1)
    p.update(static_cast<std::int64_t>(r.time) * 100);                   // 100 a second for a minute
  for (int i = 1; i <= 20; ++i, r.time += 1) p.update(6000 + i * 1000);  // then ten times as many
  const std::string last = r.output().substr(r.output().rfind("epoch"));
  EXPECT_NE(last.find("1,000 images/s"), std::string::npos) << last;
}

TEST(Progress, AResumedLoopDoesNotCountWhatWasDoneBefore) {
  Recorder r;
  Progress p = r.progress(Progress::Mode::log, 100'000);
  p.update(90'000);
  r.time = 20;
  p.update(92'000);
  EXPECT_NE(r.output().find("100 images/s"), std::string::npos) << r.output();
}

TEST(Progress, ATerminalIsRewrittenTenTimesASecondAtMost) {
  Recorder r;
  {
    Progress p = r.progress(Progress::Mode::terminal, 1000);
    for (int i = 0; i < 1000; ++i, r.time += 0.001) p.update(i);
    p.done();
  }
  const std::string out = r.output();
  EXPECT_GE(count(out, '\r'), 8U);
  EXPECT_LE(count(out, '\r'), 12U);
  EXPECT_EQ(count(out, '\n'), 1U) << "only the last state stays";
  EXPECT_EQ(out.back(), '\n');
}

TEST(Progress, ALogGetsALineEveryTenSeconds) {
  Recorder r;
  Progress p = r.progress(Progress::Mode::log, 600);
  for (; r.time < 60; r.time += 0.1) p.update(static_cast<std::int64_t>(r.time * 10));
  p.done();
  EXPECT_EQ(count(r.output(), '\r'), 0U);
  EXPECT_GE(count(r.output(), '\n'), 6U);
  EXPECT_LE(count(r.output(), '\n'), 7U);
}

TEST(Progress, QuietPrintsNothing) {
  Recorder r;
  Progress p = r.progress(Progress::Mode::quiet, 10);
  for (; r.time < 60; r.time += 1) p.update(3, "x");
  p.done();
  EXPECT_EQ(r.output(), "");
}

TEST(Progress, ALineIsCutToTheTerminal) {
  Recorder r;
  {
    Progress p = r.progress(Progress::Mode::terminal, 10, 30);
    p.update(3, "a very long note that does not fit");
  }
  // \r, at most 29 columns, and the sequence that clears the rest of the line.
  EXPECT_EQ(r.output(), "\repoch 3/8  [###.......]  30 %\x1b[K\n");
}

TEST(Progress, WhenItIsAbandonedTheNextOutputBeginsOnItsOwnLine) {
  Recorder r;
  {
    Progress p = r.progress(Progress::Mode::terminal, 10);
    p.update(3);
  }
  EXPECT_EQ(r.output().back(), '\n');
}

TEST(Progress, NothingToDoIsDone) {
  Recorder r;
  Progress p = r.progress(Progress::Mode::log, 0);
  p.done();
  EXPECT_EQ(r.output(), "epoch 3/8  [##########] 100 %  time 0:00\n");
}

TEST(Forms, Durations) {
  EXPECT_EQ(format_duration(0.4), "0:00");
  EXPECT_EQ(format_duration(41), "0:41");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(725), "12:05");
  EXPECT_EQ(format_duration(3599.7), "1:00:00");
  EXPECT_EQ(format_duration(11229), "3:07:09");
  EXPECT_EQ(format_duration(-1), "-");
  EXPECT_EQ(format_duration(std::nan("")), "-");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "-");
}

TEST(Forms, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(-999), "-999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(-1234567), "-1,234,567");
  EXPECT_EQ(format_count(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Forms, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(24.0 * 1024 * 1024), "24 MiB");
  EXPECT_EQ(format_bytes(1024.0 * 1024 * 1024 - 1), "1.0 GiB") << "not 1024 MiB";
}

}  // namespace
}  // namespace espalier
