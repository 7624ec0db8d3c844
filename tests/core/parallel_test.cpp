// parallel_test.cpp: every item exactly once, the same chunks and so the same bits on any number of threads.
#include "framework/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <thread>
#include <vector>

#include "framework/core/random.h"
#include "tests/support/arrays.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

struct Parallel : ::testing::Test {
  int before = threads();
  ~Parallel() override { set_threads(before); }
};

TEST_F(Parallel, EveryItemRunsExactlyOnce) {
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    ASSERT_EQ(threads(), count);
    for (const Index items : {0, 1, 7, 64, 1000})
      for (const Index chunk : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> times(items);
        parallel_for(items, chunk, [&](Range r) {
          ASSERT_LT(r.begin, r.end);
          ASSERT_LE(r.size(), chunk);
          ASSERT_EQ(r.begin % chunk, 0) << "chunks are fixed";
          for (Index i = r.begin; i < r.end; ++i) ++times[i];
        });
        for (const auto& t : times) ASSERT_EQ(t.load(), 1) << items << " items in chunks of " << chunk;
      }
  }
}

TEST_F(Parallel, ManyShortLoopsOneAfterTheOther) {
  // Workers pick a loop up late, or sleep through it: nothing may be lost,
  // and no loop may see another's items.
  set_threads(3);
  for (int loop = 0; loop < 3000; ++loop) {
    std::atomic<int> sum{0};
    parallel_for(5, 1, [&](Range r) { sum += static_cast<int>(r.begin) + 1; });
    ASSERT_EQ(sum.load(), 15) << "loop " << loop;
  }
}

TEST_F(Parallel, SleepingWorkersWakeUp) {
  set_threads(2);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // longer than workers spin
    std::atomic<int> arrived{0};
    // Two chunks that wait for each other can only end if two threads run them.
    parallel_for(2, 1, [&](Range) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived.load(), 2);
  }
}

TEST_F(Parallel, FirstExceptionReachesTheCallerAndTheThreadsStayOfUse) {
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    std::atomic<int> chunks{0};
    const auto loop = [&] {
      parallel_for(100000, 1, [&](Range r) {
        ++chunks;
        if (r.begin == 10) throw std::runtime_error("chunk 10");
      });
    };
    EXPECT_THROW(
        {
          try {
            loop();
          } catch (const std::runtime_error& e) {
            EXPECT_STREQ(e.what(), "chunk 10");
            throw;
          }
        },
        std::runtime_error);
    // On several threads others go on until the failure is known; how far they get is up to the scheduler.
    if (count == 1) {
      EXPECT_EQ(chunks.load(), 11) << "the rest is given up";
    }
    std::atomic<int> after{0};
    parallel_for(50, 1, [&](Range) { ++after; });
    EXPECT_EQ(after.load(), 50) << "the threads are of use again";
  }
}

TEST_F(Parallel, LoopsInsideLoopsRunOnTheirOwnThread) {
  set_threads(3);
  std::vector<std::atomic<int>> times(20 * 30);
  parallel_for(20, 1, [&](Range outer) {
    const auto me = std::this_thread::get_id();
    parallel_for(30, 4, [&](Range inner) {
      EXPECT_EQ(std::this_thread::get_id(), me);
      for (Index i = inner.begin; i < inner.end; ++i) ++times[outer.begin * 30 + i];
    });
  });
  for (const auto& t : times) EXPECT_EQ(t.load(), 1);
}

TEST_F(Parallel, LoopsFromSeveralThreadsWaitForOneAnother) {
  set_threads(2);
  std::vector<std::thread> callers;
  std::atomic<long> sum{0};
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 200; ++loop)
        parallel_for(10, 1, [&](Range r) { sum += static_cast<long>(r.begin); });
    });
  for (auto& t : callers) t.join();
  EXPECT_EQ(sum.load(), 4 * 200 * 45);
}

TEST_F(Parallel, ThreadsCanBeChangedAtAnyTimeBetweenLoops) {
  for (const int count : {1, 4, 2, 1, 3, 3, 2}) {
    set_threads(count);
    EXPECT_EQ(threads(), count);
    std::atomic<int> done{0};
    parallel_for(100, 7, [&](Range r) { done += static_cast<int>(r.size()); });
    EXPECT_EQ(done.load(), 100);
  }
  set_threads(0);
  EXPECT_EQ(threads(), static_cast<int>(std::max(1U, std::thread::hardware_concurrency())))
      << "0 = all cores";
}

TEST_F(Parallel, SumsOverChunksHaveTheSameBitsOnAnyNumberOfThreads) {
  constexpr Index n = 10000, chunk = 37;
  const auto values = normal_values<float>(n, 4);
  const auto sum = [&] {
    std::vector<float> partial((n + chunk - 1) / chunk);
    parallel_for(n, chunk, [&](Range r) {
      float s = 0;
      for (Index i = r.begin; i < r.end; ++i) s += values[i];
      partial[r.begin / chunk] = s;
    });
    return partial;
  };
  set_threads(1);
  const auto alone = sum();
  for (const int count : {2, 3, 4}) {
    set_threads(count);
    for (int repeat = 0; repeat < 20; ++repeat) ASSERT_TRUE(same_bits(sum(), alone)) << count << " threads";
  }
}

TEST_F(Parallel, ChunksOfNothingAreRefused) {
  espalier::testing::expect_error(ExitCode::internal, {"[parallel_for]", "0"},
                                  [] { parallel_for(10, 0, [](Range) {}); });
}

}  // namespace
}  // namespace espalier::test
