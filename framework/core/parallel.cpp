// parallel.cpp: a small pool of workers that take chunks from a shared count. Loops are often as short as 20
// microseconds, so handing one over takes no lock: workers watch the count for a while before they sleep.
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
#include "framework/core/interrupt.h"
#include "framework/core/spin.h"

namespace espalier {
namespace {

thread_local bool running_chunk = false;

/// One parallel_for, on its caller's stack until `unfinished` is 0.
struct Loop {
  Index items, chunk, chunks;
  FunctionRef<void(Range)> fn;
  alignas(64) std::atomic<Index> unfinished;
  std::exception_ptr error;
  std::mutex error_guard;
};

class Workers {
 public:
  ~Workers() { resize(0); }
  void resize(int workers) {
    {
      const std::lock_guard lock(guard_);
      closing_ = true;
    }
    wake_.notify_all();
    for (auto& t : workers_) t.join();
    workers_.clear();
    closing_ = false;
    try {
      for (int i = 0; i < workers; ++i)
        workers_.emplace_back([this] {
          while (wait()) take_chunks();
        });
    } catch (const std::system_error& e) {
      const int started = size();
      resize(0);
      fail(ExitCode::memory,
           "[threads] only {} of {} threads could be started ({}); "
           "use a smaller --threads, or raise ulimit -u or -v",
           started + 1, workers + 1, e.code().message());
    }
  }
  int size() const { return static_cast<int>(workers_.size()); }
  void run(Loop& loop) {
    const std::lock_guard one_at_a_time(caller_);
    loop_ = &loop;
    untaken_.store(loop.chunks);
    if (sleeping_.load() > 0) {  // both sequentially consistent, as in wait(): one of the two sees the other
      { const std::lock_guard lock(guard_); }
      wake_.notify_all();
    }
    take_chunks();
    for (Patience p; loop.unfinished.load(std::memory_order_acquire) > 0;) p.wait();
    if (loop.error) std::rethrow_exception(loop.error);
  }

 private:
  /// Until there is a chunk to take; false when the pool closes.
  bool wait() {
    for (Patience p; !p.over(); p.wait())
      if (untaken_.load(std::memory_order_relaxed) > 0) return true;
    std::unique_lock lock(guard_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return closing_ || untaken_.load() > 0; });
    sleeping_.fetch_sub(1);
    return !closing_;
  }
  void take_chunks() {
    running_chunk = true;
    for (Index left = untaken_.load(std::memory_order_relaxed); left > 0;) {
      if (!untaken_.compare_exchange_weak(left, left - 1, std::memory_order_acquire)) continue;
      Loop& loop = *loop_;  // the loop of the chunk just taken, and so alive until that chunk is finished
      const Index begin = (loop.chunks - left) * loop.chunk;
      Index finished = 1;
      try {
        stop_here();
        loop.fn({begin, std::min(begin + loop.chunk, loop.items)});
      } catch (...) {
        const std::lock_guard lock(loop.error_guard);
        if (!loop.error) loop.error = std::current_exception();
        finished += untaken_.exchange(0);  // the rest is given up
      }
      loop.unfinished.fetch_sub(finished, std::memory_order_release);
      left = untaken_.load(std::memory_order_relaxed);
    }
    running_chunk = false;
  }

  std::vector<std::thread> workers_;
  std::mutex guard_, caller_;
  std::condition_variable wake_;
  bool closing_ = false;
  Loop* loop_ = nullptr;
  alignas(64) std::atomic<Index> untaken_{0};  // chunks of `loop_`
  std::atomic<int> sleeping_{0};
};

Workers& workers() {
  static Workers w;
  return w;
}

}  // namespace

void set_threads(int count) {
  if (count <= 0) count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (count != threads()) workers().resize(count - 1);
}

int threads() { return workers().size() + 1; }

bool inside_chunk() { return running_chunk; }

void parallel_for(Index items, Index chunk, FunctionRef<void(Range)> fn) {
  if (items <= 0) return;
  require(chunk > 0, "[parallel_for] chunks of {} items would never end", chunk);
  if (running_chunk || workers().size() == 0 || items <= chunk) {
    for (Index begin = 0; begin < items; begin += chunk) {
      stop_here();
      fn({begin, std::min(begin + chunk, items)});
    }
    return;
  }
  const Index chunks = (items + chunk - 1) / chunk;
  Loop loop{items, chunk, chunks, fn, {chunks}, {}, {}};
  workers().run(loop);
}

}  // namespace espalier
