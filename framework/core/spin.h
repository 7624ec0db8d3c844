// spin.h: waiting for another thread for less time than it takes the system to put a thread to sleep and wake
// it again (tens of microseconds).
#pragma once

#include <atomic>
#include <thread>

namespace espalier {

/// Waits a moment at a time: at first without giving up the core, then, as others may need it, by yielding.
class Patience {
 public:
  void wait() { ++waits_ < spins ? relax() : std::this_thread::yield(); }
  /// About 100 microseconds have passed: more than what lies between two loops of a training step.
  bool over() const { return waits_ > spins + 200; }

 private:
  static constexpr int spins = 1500;  // about 30 microseconds
  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
  }
  int waits_ = 0;
};

/// A mutex for sections of a few instructions. std::mutex puts a thread to sleep as soon as it meets another.
class SpinLock {
 public:
  void lock() {
    for (Patience p; taken_.exchange(true, std::memory_order_acquire); p.wait()) {
    }
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

}  // namespace espalier
