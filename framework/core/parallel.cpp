// parallel.cpp: a small pool of workers that take chunks from a shared counter. Workers spin briefly before
// they sleep, since a training step issues hundreds of loops a few microseconds apart.
#include "framework/core/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "framework/core/check.h"

namespace espalier {
namespace {

thread_local bool running_chunk = false;

struct Job {
  Index items, chunk;
  FunctionRef<void(Range)> fn;
  std::atomic<Index> next{0};
  std::atomic<int> workers{0};  // workers that have taken this job up and not let go
  std::exception_ptr error;
  std::mutex error_guard;

  void run() {
    running_chunk = true;
    for (Index begin; (begin = next.fetch_add(chunk, std::memory_order_relaxed)) < items;) {
      try {
        fn({begin, std::min(begin + chunk, items)});
      } catch (...) {
        const std::lock_guard lock(error_guard);
        if (!error) error = std::current_exception();
        next.store(items, std::memory_order_relaxed);
      }
    }
    running_chunk = false;
  }
};

/// A short pause in a loop that waits for another thread.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("" ::: "memory");
#endif
}

class Pool {
 public:
  ~Pool() { resize(0); }
  void resize(int workers) {
    {
      const std::lock_guard lock(guard_);
      stop_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& t : workers_) t.join();
    workers_.clear();
    stop_ = false;
    const auto seen = generation_.load();
    try {
      for (int i = 0; i < workers; ++i) workers_.emplace_back([this, seen] { work(seen); });
    } catch (const std::system_error& e) {
      const int started = size();
      resize(0);
      fail(ExitCode::memory,
           "[threads] only {} of {} threads could be started ({}); use a smaller --threads, or raise ulimit "
           "-u or -v",
           started + 1, workers + 1, e.code().message());
    }
  }
  int size() const { return static_cast<int>(workers_.size()); }
  void run(Job& job) {
    const std::lock_guard one_at_a_time(caller_);
    {
      const std::lock_guard lock(guard_);
      job_ = &job;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    job.run();
    {
      const std::lock_guard lock(guard_);
      job_ = nullptr;  // a worker that wakes up only now finds nothing to do, and nobody waits for it
    }
    for (int spin = 0; job.workers.load(std::memory_order_acquire) > 0; ++spin)
      spin > spins ? std::this_thread::yield() : relax();
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  static constexpr int spins = 1000;  // about 20 microseconds; longer would starve others on a busy machine
  void work(std::uint64_t seen) {
    for (;;) {
      for (int spin = 0; spin < spins && generation_.load(std::memory_order_acquire) == seen; ++spin) relax();
      Job* job = nullptr;
      {
        std::unique_lock lock(guard_);
        wake_.wait(lock, [&] { return generation_.load() != seen; });
        seen = generation_.load();
        if (stop_) return;
        job = job_;
        if (job) job->workers.fetch_add(1, std::memory_order_relaxed);
      }
      if (!job) continue;
      job->run();
      job->workers.fetch_sub(1, std::memory_order_release);
    }
  }
  std::vector<std::thread> workers_;
  std::mutex guard_, caller_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};
  Job* job_ = nullptr;
  bool stop_ = false;
};

Pool& pool() {
  static Pool p;
  return p;
}

}  // namespace

void set_threads(int count) {
  if (count <= 0) count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (count != threads()) pool().resize(count - 1);
}

int threads() { return pool().size() + 1; }

bool inside_chunk() { return running_chunk; }

void parallel_for(Index items, Index chunk, FunctionRef<void(Range)> fn) {
  if (items <= 0) return;
  require(chunk > 0, "[parallel_for] chunks of {} items would never end", chunk);
  if (running_chunk || pool().size() == 0 || items <= chunk) {
    for (Index begin = 0; begin < items; begin += chunk) fn({begin, std::min(begin + chunk, items)});
    return;
  }
  Job job{items, chunk, fn, {}, {}, {}, {}};
  pool().run(job);
}

}  // namespace espalier
