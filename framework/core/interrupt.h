// interrupt.h: Ctrl-C and SIGTERM. While there is nothing to save, a signal ends the program at once; later
// the first one asks for a stop, which every loop of more than a second looks for, and a second one ends the
// program whatever it is doing. Either way the exit code is 130.
#pragma once

#include <string>
#include <string_view>

namespace espalier {

/// From here on a signal ends the program at once, with exit code 130. Call it as early as possible.
void end_on_signals();
/// From here on the first signal asks for a stop (check_stop); the second ends the program.
void stop_gently_on_signals();

/// What a first signal does. Safe in a signal handler.
void request_stop();
/// Whether a stop was requested and nobody has heeded it yet.
bool stop_pending();
/// True once for each request: the caller stops.
bool take_stop();
/// Throws Error(interrupted), naming what was being done, if a stop was requested. Cheap; from any thread.
void check_stop(std::string_view doing);

/// While one lives, parallel_for and stop_here() heed a stop by throwing Error(interrupted) with its message: for
/// work that changes nothing until it is done, and may be given up anywhere. Outside of one they do not: a
/// training step is finished and saved. The outermost one's message counts. Made on one thread at a time.
class StopAnywhere {
 public:
  explicit StopAnywhere(std::string message);
  ~StopAnywhere();
  StopAnywhere(const StopAnywhere&) = delete;
  StopAnywhere& operator=(const StopAnywhere&) = delete;
};
/// To be called now and then by loops of more than a second that parallel_for does not cut.
void stop_here();

}  // namespace espalier
