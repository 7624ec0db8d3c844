// The metrics of a run: two files that always tell the same story, also after a kill and a resume.
#include "framework/io/metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <limits>

#include "framework/core/random.h"
#include "framework/io/atomic_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
using espalier::testing::TempFolder;

class Metrics : public ::testing::Test {
 protected:
  std::string jsonl() const { return read_whole_file(folder_ / "metrics.jsonl"); }
  std::string csv() const { return read_whole_file(folder_ / "metrics.csv"); }
  TempFolder folder_;
};

TEST_F(Metrics, OneJsonObjectALineAndOneTable) {
  MetricsLog log(folder_.path());
  log.append({{"event", "epoch"}, {"epoch", 1}, {"loss", 0.5}, {"best", true}});
  EXPECT_EQ(jsonl(), "{\"event\":\"epoch\",\"epoch\":1,\"loss\":0.5,\"best\":true}\n");
  EXPECT_EQ(csv(), "event,epoch,loss,best\nepoch,1,0.5,true\n");
}

TEST_F(Metrics, AColumnThatAppearsLaterIsAddedToAllRows) {
  MetricsLog log(folder_.path());
  log.append({{"event", "epoch"}, {"loss", 0.5}});
  log.append({{"event", "prune"}, {"sparsity", 0.9}});
  log.append({{"loss", 0.25}, {"event", "epoch"}});
  EXPECT_EQ(csv(), "event,loss,sparsity\nepoch,0.5,\nprune,,0.9\nepoch,0.25,\n");
}

TEST_F(Metrics, EveryRowIsOnDiskWhenAppendReturns) {
  MetricsLog log(folder_.path());
  for (int i = 0; i < 3; ++i) {
    log.append({{"event", "epoch"}, {"epoch", i}});
    EXPECT_EQ(read_metrics(folder_ / "metrics.jsonl").size(), static_cast<std::size_t>(i) + 1);
  }
}

TEST_F(Metrics, NumbersReadBackToTheSameBits) {
  Random random(1, Random::Use::test);
  MetricsRow row{
      {"third", 1.0 / 3},   {"tiny", 5e-324},      {"huge", 1.7976931348623157e308},         {"whole", 2.0},
      {"minus zero", -0.0}, {"large whole", 1e15}, {"count", std::int64_t{9007199254740993}}};
  for (int i = 0; i < 100; ++i)
    row.push_back({"r" + std::to_string(i), random.normal() * std::pow(10, random.uniform(-30, 30))});
  MetricsLog(folder_.path()).append(row);
  const MetricsLog again(folder_.path());
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again.rows()[0], row) << "a double must come back as a double, also if it is whole";
  EXPECT_TRUE(std::signbit(number(again.rows()[0], "minus zero")));
  EXPECT_NE(jsonl().find("0.3333333333333333,"), std::string::npos) << "the shortest form";
}

TEST_F(Metrics, WhatIsNotFiniteIsNullAndEmpty) {
  MetricsLog(folder_.path())
      .append({{"event", "epoch"},
               {"a", std::nan("")},
               {"b", std::numeric_limits<double>::infinity()},
               {"c", 1}});
  EXPECT_EQ(jsonl(), "{\"event\":\"epoch\",\"a\":null,\"b\":null,\"c\":1}\n");
  EXPECT_EQ(csv(), "event,a,b,c\nepoch,,,1\n");
  EXPECT_TRUE(std::isnan(number(MetricsLog(folder_.path()).rows()[0], "a")));
}

TEST_F(Metrics, TextsAreQuotedWhereTheFormatNeedsIt) {
  const std::string wild = "a \"b\", c\nd µ";
  MetricsLog(folder_.path()).append({{"event", wild}, {"x,y", 1}});
  EXPECT_EQ(csv(), "event,\"x,y\"\n\"a \"\"b\"\", c\nd µ\",1\n");
  EXPECT_EQ(text(MetricsLog(folder_.path()).rows()[0], "event"), wild);
}

TEST_F(Metrics, LookingUpWhatIsNotThere) {
  const MetricsRow row{{"event", "epoch"}, {"epoch", 3}, {"best", true}};
  EXPECT_EQ(number(row, "epoch"), 3);
  EXPECT_EQ(number(row, "best"), 1);
  EXPECT_TRUE(std::isnan(number(row, "event")));
  EXPECT_TRUE(std::isnan(number(row, "loss")));
  EXPECT_EQ(text(row, "epoch"), "");
  EXPECT_EQ(find(row, "loss"), nullptr);
}

TEST_F(Metrics, ResumingDropsTheRowsAfterTheCheckpoint) {
  const auto write = [](MetricsLog& log, int first, int last) {
    for (int i = first; i <= last; ++i)
      log.append({{"event", "epoch"}, {"epoch", i}, {i == 4 ? "late" : "loss", 1.0 / i}});
  };
  {
    MetricsLog whole(folder_.path());
    write(whole, 1, 6);
  }
  const std::string jsonl_whole = jsonl(), csv_whole = csv();
  {
    MetricsLog resumed(folder_.path(), 3);
    EXPECT_EQ(resumed.size(), 3U);
    EXPECT_EQ(csv().find("late"), std::string::npos) << "a column of dropped rows is dropped, too";
    write(resumed, 4, 6);
  }
  EXPECT_EQ(jsonl(), jsonl_whole);
  EXPECT_EQ(csv(), csv_whole);
  MetricsLog later(folder_.path());
  later.truncate(1);
  EXPECT_EQ(csv(), "event,epoch,loss\nepoch,1,1.0\n");
}

TEST_F(Metrics, KeepZeroStartsAnew) {
  folder_.write_text("metrics.jsonl", "not JSON at all\nof an older run\n");
  EXPECT_EQ(MetricsLog(folder_.path(), 0).size(), 0U);
  EXPECT_EQ(jsonl(), "");
}

TEST_F(Metrics, ATornLastLineIsDropped) {
  const std::string good = "{\"event\":\"epoch\",\"epoch\":1}\n";
  for (const std::string torn : {"{\"event\":\"ep", "{\"event\":\"epoch\",\"epoch\":2}", "{\"ev\n"}) {
    folder_.write_text("metrics.jsonl", good + torn);
    EXPECT_EQ(MetricsLog(folder_.path()).size(), 1U) << torn;
    EXPECT_EQ(jsonl(), good);
  }
}

TEST_F(Metrics, AnyOtherDamageIsAnErrorWithItsLine) {
  folder_.write_text("metrics.jsonl", "{\"a\":1}\n{\"a\":[1]}\n{\"a\":3}\n");
  expect_error(ExitCode::checkpoint, {"metrics.jsonl:2"}, [&] { MetricsLog log(folder_.path()); });
}

TEST_F(Metrics, FewerRowsThanTheStateKnowsAreAnError) {
  MetricsLog(folder_.path()).append({{"a", 1}});
  expect_error(ExitCode::checkpoint, {"metrics.jsonl", "1 rows", "after 5"},
               [&] { MetricsLog log(folder_.path(), 5); });
}

TEST_F(Metrics, AFullDiskIsAnErrorAndLeavesWholeLines) {
  MetricsLog log(folder_.path());
  const MetricsRow row{{"event", "epoch"}, {"text", std::string(3000, 'x')}};
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    log.append(row);
    expect_error(ExitCode::io, {"metrics.jsonl", "File too large"}, [&] { log.append(row); });
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(jsonl().back(), '\n');
  EXPECT_EQ(MetricsLog(folder_.path()).size(), 1U);
}

}  // namespace
}  // namespace espalier
