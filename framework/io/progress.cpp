#include "framework/io/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/core/clock.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

constexpr double window_seconds = 8, terminal_interval = 0.1, log_interval = 10;
constexpr std::int64_t bar_cells = 10;

constexpr double json_interval = 2;
bool progress_in_json = false;

Progress::Mode mode_of_stderr(bool quiet) {
  if (quiet) return Progress::Mode::quiet;
  if (progress_in_json) return Progress::Mode::json;
  return ::isatty(STDERR_FILENO) ? Progress::Mode::terminal : Progress::Mode::log;
}

std::size_t columns_of_stderr() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void progress_as_json() { progress_in_json = true; }

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
  const double interval = mode_ == Mode::terminal ? terminal_interval
                          : mode_ == Mode::json   ? json_interval
                                                  : log_interval;
  if (time - printed_ < interval) return;
  printed_ = time;
  print(false);
}

void Progress::done() {
  if (mode_ != Mode::quiet) print(true);
}

/// A second, of the last seconds or of the whole; 0: not known.
double Progress::rate(bool last, double time) const {
  if (samples_.empty()) return 0;
  const Sample& from = last ? first_ : samples_.front();
  return time > from.time ? static_cast<double>(finished_ - from.finished) / (time - from.time) : 0;
}

std::string Progress::json_line(bool last) const {
  const double time = now_(), speed = rate(last, time);
  nlohmann::ordered_json line{{"event", "progress"},   {"label", label_},         {"finished", finished_},
                              {"total", total_},       {"unit", unit_},           {"seconds", time - started_},
                              {"rate", nullptr},       {"seconds_left", nullptr}, {"done", last}};
  if (speed > 0) {
    line["rate"] = speed;
    line["seconds_left"] = last ? 0.0 : static_cast<double>(total_ - finished_) / speed;
  }
  if (!note_.empty()) line["note"] = note_;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string Progress::line(bool last) const {
  const double time = now_();
  const double share =
      total_ > 0 ? std::clamp(static_cast<double>(finished_) / static_cast<double>(total_), 0.0, 1.0) : 1.0;
  const auto cells = static_cast<std::size_t>(share * bar_cells);
  std::string text = fmt::format("{}  [{}{}] {:3.0f} %", label_, std::string(cells, '#'),
                                 std::string(bar_cells - cells, '.'), std::floor(100 * share));
  const double speed = rate(last, time);
  if (speed > 0)
    text += fmt::format("  {} {}/s",
                        speed < 9.95 ? fmt::format("{:.1f}", speed) : format_count(std::llround(speed)), unit_);
  if (!note_.empty()) text += fmt::format("  {}", note_);
  if (last)
    text += fmt::format("  time {}", format_duration(time - started_));
  else if (speed > 0)
    text += fmt::format("  time left {}", format_duration(static_cast<double>(total_ - finished_) / speed));
  return text;
}

void Progress::print(bool last) {
  const std::string text = mode_ == Mode::json ? json_line(last) : line(last);
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
