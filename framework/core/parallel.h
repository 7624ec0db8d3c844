// parallel.h: loops over fixed chunks. The chunks depend on the problem only, never on the number of threads,
// so a result has the same bits on one thread or many.
#pragma once

#include <type_traits>
#include <utility>

#include "framework/core/real.h"

namespace espalier {

/// A borrowed callable: no allocation, valid while the callee runs.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      FunctionRef(F&& f)  // NOLINT(bugprone-forwarding-reference-overload): constrained above
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Number of threads parallel_for may use, including the caller. 0 = all cores.
void set_threads(int count);
int threads();
/// Whether the caller runs inside a chunk that other threads may run beside.
bool inside_chunk();

/// Whether a loop begun here would have other threads at its side: worth cutting small work for, where the
/// cut does not show in the bits.
inline bool can_share() { return threads() > 1 && !inside_chunk(); }

/// Calls `fn` on [0, items) cut into chunks of `chunk` > 0, on all threads; returns when all are done. The
/// first exception is rethrown in the caller; within a StopAnywhere (interrupt.h) a requested stop is one. A call from inside a chunk runs on the calling thread alone.
void parallel_for(Index items, Index chunk, FunctionRef<void(Range)> fn);

}  // namespace espalier
