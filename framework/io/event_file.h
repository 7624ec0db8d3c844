// event_file.h: metrics as TensorBoard reads them: a file of records (length, checksum, bytes, checksum), each an Event of
// TensorFlow's event.proto. Written by hand, for it is four fields.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/io/metrics.h"

namespace espalier {

/// The name that TensorBoard looks for.
constexpr const char* event_file_name = "events.out.tfevents.espalier";

/// The record every such file begins with.
std::string event_file_head(double wall_time);
/// One record with the row's numbers as scalars "EVENT/COLUMN" at `step`; empty if it has none. Numbers that are not
/// finite are left out. `wall_time`: seconds since 1970.
std::string event_record(const MetricsRow& row, std::int64_t step, double wall_time);
/// Where a row stands on TensorBoard's axis: its "epoch", else its number in the file.
std::int64_t event_step(const MetricsRow& row, std::int64_t number);

/// CRC-32C (Castagnoli), as of RFC 3720.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace espalier
