#include "framework/io/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "framework/core/check.h"
#include "framework/core/clock.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

constexpr double window_seconds = 8, terminal_interval = 0.1, log_interval = 10;
constexpr std::int64_t bar_cells = 10;

Progress::Mode mode_of_stderr(bool quiet) {
  if (quiet) return Progress::Mode::quiet;
  return ::isatty(STDERR_FILENO) ? Progress::Mode::terminal : Progress::Mode::log;
}

std::size_t columns_of_stderr() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "-";
  const auto s = static_cast<std::int64_t>(std::llround(seconds));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string format_count(std::int64_t n) {
  const std::string digits = std::to_string(n);
  const std::size_t sign = n < 0 ? 1 : 0;
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string format_bytes(double bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1023.5 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit > 0 && bytes < 9.95 ? 1 : 0, units[unit]);
}

Progress::Progress(std::string label, std::int64_t total, std::string unit, bool quiet)
    : Progress(std::move(label), total, std::move(unit), mode_of_stderr(quiet), stderr, seconds_now,
               columns_of_stderr()) {}

Progress::Progress(std::string label, std::int64_t total, std::string unit, Mode mode, std::FILE* out,
                   std::function<double()> now, std::size_t columns)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      mode_(mode),
      out_(out),
      now_(std::move(now)),
      columns_(columns),
      started_(now_()),
      printed_(mode == Mode::terminal ? started_ - terminal_interval : started_) {}

Progress::~Progress() {
  if (line_open_) std::fputc('\n', out_);
}

void Progress::update(std::int64_t finished, std::string_view note) {
  finished_ = finished;
  if (mode_ == Mode::quiet) return;
  const double time = now_();
  if (samples_.empty()) samples_.push_back(first_ = {time, finished});
  note_ = note;
  if (time - samples_.back().time >= terminal_interval) samples_.push_back({time, finished});
  while (samples_.size() > 2 && time - samples_[1].time >= window_seconds) samples_.pop_front();
  if (time - printed_ < (mode_ == Mode::terminal ? terminal_interval : log_interval)) return;
  printed_ = time;
  print(false);
}

void Progress::done() {
  if (mode_ != Mode::quiet) print(true);
}

std::string Progress::line(bool last) const {
  const double time = now_();
  const double share =
      total_ > 0 ? std::clamp(static_cast<double>(finished_) / static_cast<double>(total_), 0.0, 1.0) : 1.0;
  const auto cells = static_cast<std::size_t>(share * bar_cells);
  std::string text = fmt::format("{}  [{}{}] {:3.0f} %", label_, std::string(cells, '#'),
                                 std::string(bar_cells - cells, '.'), std::floor(100 * share));
  double rate = 0;
  if (!samples_.empty()) {
    const Sample& from = last ? first_ : samples_.front();
    if (time > from.time) rate = static_cast<double>(finished_ - from.finished) / (time - from.time);
  }
  if (rate > 0)
    text += fmt::format("  {} {}/s",
                        rate < 9.95 ? fmt::format("{:.1f}", rate) : format_count(std::llround(rate)), unit_);
  if (!note_.empty()) text += fmt::format("  {}", note_);
  if (last)
    text += fmt::format("  time {}", format_duration(time - started_));
  else if (rate > 0)
    text += fmt::format("  time left {}", format_duration(static_cast<double>(total_ - finished_) / rate));
  return text;
}

void Progress::print(bool last) {
  const std::string text = line(last);
  if (mode_ == Mode::terminal) {
    // A line as wide as the terminal would wrap, and the next rewrite would leave its first part standing.
    const std::string_view shown = fit_width(text, columns_ > 1 ? columns_ - 1 : 1);
    fmt::print(out_, "\r{}\x1b[K{}", shown, last ? "\n" : "");
    line_open_ = !last;
  } else {
    fmt::print(out_, "{}\n", text);
  }
  std::fflush(out_);
}

}  // namespace espalier
