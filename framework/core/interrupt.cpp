#include "framework/core/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <utility>

#include "framework/core/check.h"

namespace espalier {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

std::atomic<int> regions{0};
std::string message_of_region;  // written while no other thread looks: before the first region counts

void end_now(int) {
  constexpr std::string_view text = "interrupted\n";
  // Nothing else is safe here: what was being written is a temporary file beside the one that counts.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(static_cast<int>(ExitCode::interrupted));
}

void ask(int) {
  std::signal(SIGINT, end_now);
  std::signal(SIGTERM, end_now);
  requested.store(true);
}

void on_signals(void (*handler)(int)) {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, handler);
}

}  // namespace

void end_on_signals() { on_signals(end_now); }
void stop_gently_on_signals() { on_signals(ask); }
void request_stop() { requested.store(true); }
bool stop_pending() { return requested.load(std::memory_order_relaxed); }
bool take_stop() { return stop_pending() && requested.exchange(false); }

void check_stop(std::string_view doing) {
  if (take_stop()) fail(ExitCode::interrupted, "stopped while {}; continue with --resume", doing);
}

StopAnywhere::StopAnywhere(std::string message) {
  if (regions.load() == 0) message_of_region = std::move(message);
  regions.fetch_add(1);
}
StopAnywhere::~StopAnywhere() { regions.fetch_sub(1); }

void stop_here() {
  if (stop_pending() && regions.load() > 0 && take_stop())
    throw Error(ExitCode::interrupted, message_of_region);
}

}  // namespace espalier
