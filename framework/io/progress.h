// progress.h: one line that says how far a long loop is, and the forms in which amounts are shown to people.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace espalier {

/// Progress lines are JSON objects from here on, one every two seconds: {"event": "progress", "label", "finished", "total",
/// "unit", "rate", "seconds_left", "note"}. For programs that watch a run.
void progress_as_json();

/// Seconds as "0:41", "12:05" or "3:07:09", rounded; "-" if negative or not finite.
std::string format_duration(double seconds);
/// With separators between thousands: "2,431".
std::string format_count(std::int64_t n);
/// "512 B", "1.5 KiB", "24 MiB", ...: two or three digits.
std::string format_bytes(double bytes);

/// epoch 3/8  [######....]  61 %  2,431 images/s  loss 0.412  time left 0:41
/// On a terminal the line is rewritten at most ten times a second; elsewhere (a log file) a line is printed
/// every ten seconds and at the end. The rate is that of the last eight seconds.
/// Not for use from several threads.
class Progress {
 public:
  enum class Mode { terminal, log, json, quiet };

  /// A loop over `total` things called `unit` ("images"), reported to stderr.
  Progress(std::string label, std::int64_t total, std::string unit, bool quiet = false);
  /// The same with everything it depends on, for tests: `now` gives seconds,
  /// `columns` is the terminal's width.
  Progress(std::string label, std::int64_t total, std::string unit, Mode mode, std::FILE* out,
           std::function<double()> now, std::size_t columns);
  /// Without done() (an exception passes): ends the line, so that what follows begins on its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `finished` of `total` are finished; a resumed loop starts in the middle. `note` is shown as it is.
  void update(std::int64_t finished, std::string_view note = {});
  /// Prints the last state with the time it took and the overall rate.
  void done();

 private:
  struct Sample {
    double time;
    std::int64_t finished;
  };
  double rate(bool last, double time) const;
  std::string line(bool last) const;
  std::string json_line(bool last) const;
  void print(bool last);

  std::string label_, unit_, note_;
  std::int64_t total_, finished_ = 0;
  Mode mode_;
  std::FILE* out_;
  std::function<double()> now_;
  std::size_t columns_;
  double started_, printed_;
  // What a resumed loop had finished before says nothing of its rate, so that is counted from the first
  // update on.
  Sample first_{};
  std::deque<Sample> samples_;  // of the last seconds, at most ten a second
  bool line_open_ = false;
};

}  // namespace espalier
