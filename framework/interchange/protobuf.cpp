#include "framework/interchange/protobuf.h"

#include <bit>
#include <cstring>

namespace espalier {
namespace {

static_assert(std::endian::native == std::endian::little, "fixed numbers are read as they lie in memory");

constexpr int deepest = 64;
// A message of two bytes becomes a struct of some hundred, so their number bounds the memory a small file can
// take.
constexpr std::uint64_t free_messages = 100'000, bytes_per_message = 16;

}  // namespace

ProtoReader::ProtoReader(std::string_view bytes, std::string file, const char* message)
    : ProtoReader(bytes,
                  std::make_shared<File>(
                      File{std::move(file), bytes.data(), free_messages + bytes.size() / bytes_per_message}),
                  message, 0) {}

ProtoReader::ProtoReader(std::string_view bytes, std::shared_ptr<File> file, const char* message, int depth)
    : file_(std::move(file)), message_(message), depth_(depth), rest_(bytes) {
  if (depth_ > deepest) complain(fmt::format("messages more than {} deep in each other", deepest));
  if (file_->messages_left-- == 0) complain("more messages than a file of this size has");
}

void ProtoReader::complain(const std::string& what) const {
  fail(ExitCode::checkpoint,
       "{}: byte {}, in {}: {}; this is no ONNX file or it is damaged. Copy or export it again", file_->name,
       rest_.data() - file_->begin, message_, what);
}

std::uint64_t ProtoReader::varint(std::string_view& from) const {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (from.empty()) complain("a number without end; it is truncated");
    const auto byte = static_cast<std::uint8_t>(from[0]);
    from.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  complain("a number of more than 64 bits");
}

std::string_view ProtoReader::take(std::uint64_t count) {
  if (count > rest_.size())
    complain(
        fmt::format("field {} of {} bytes where {} are left; it is truncated", field_, count, rest_.size()));
  const std::string_view part = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return part;
}

bool ProtoReader::next() {
  if (rest_.empty()) return false;
  const std::uint64_t tag = varint(rest_), number = tag >> 3;
  if (number == 0 || number > 0x1fffffff) complain(fmt::format("the field number {}", number));
  field_ = static_cast<int>(number);
  wire_ = static_cast<Wire>(tag & 7);
  switch (wire_) {
    case Wire::varint:
      number_ = varint(rest_);
      return true;
    case Wire::fixed64:
      value_ = take(8);
      return true;
    case Wire::bytes:
      value_ = take(varint(rest_));
      return true;
    case Wire::fixed32:
      value_ = take(4);
      return true;
  }
  complain(fmt::format("field {} has the wire type {}", field_, tag & 7));
}

void ProtoReader::expect(Wire wire, const char* what) const {
  if (wire_ != wire) complain(fmt::format("field {} is not {}", field_, what));
}

std::int64_t ProtoReader::integer() {
  expect(Wire::varint, "a whole number");
  return std::bit_cast<std::int64_t>(number_);
}
float ProtoReader::real() {
  expect(Wire::fixed32, "a number of 32 bits");
  float value = 0;
  std::memcpy(&value, value_.data(), sizeof value);
  return value;
}
std::string_view ProtoReader::bytes() {
  expect(Wire::bytes, "a sequence of bytes");
  return value_;
}
ProtoReader ProtoReader::message(const char* name) { return {bytes(), file_, name, depth_ + 1}; }

void ProtoReader::append(std::vector<std::int64_t>& values) {
  if (wire_ == Wire::varint) {
    values.push_back(std::bit_cast<std::int64_t>(number_));
    return;
  }
  expect(Wire::bytes, "a list of whole numbers");
  for (std::string_view packed = value_; !packed.empty();)
    values.push_back(std::bit_cast<std::int64_t>(varint(packed)));
}

template <class T>
void ProtoReader::append_fixed(std::vector<T>& values, Wire single) {
  if (wire_ != single) expect(Wire::bytes, "a list of numbers");
  if (value_.size() % sizeof(T) != 0) complain(fmt::format("field {} is cut inside a number", field_));
  if (value_.empty()) return;
  const std::size_t before = values.size();
  values.resize(before + value_.size() / sizeof(T));
  std::memcpy(values.data() + before, value_.data(), value_.size());
}
void ProtoReader::append(std::vector<float>& values) { append_fixed(values, Wire::fixed32); }
void ProtoReader::append(std::vector<double>& values) { append_fixed(values, Wire::fixed64); }

void ProtoWriter::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
  out_ += static_cast<char>(value);
}
void ProtoWriter::integer(int field, std::int64_t value) {
  varint(std::uint64_t{static_cast<unsigned>(field)} << 3);
  varint(std::bit_cast<std::uint64_t>(value));
}
void ProtoWriter::real(int field, float value) {
  varint(std::uint64_t{static_cast<unsigned>(field)} << 3 | 5);
  out_.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void ProtoWriter::bytes(int field, std::string_view value) {
  varint(std::uint64_t{static_cast<unsigned>(field)} << 3 | 2);
  varint(value.size());
  out_ += value;
}
void ProtoWriter::integers(int field, const std::vector<std::int64_t>& values) {
  ProtoWriter packed;
  for (const std::int64_t v : values) packed.varint(std::bit_cast<std::uint64_t>(v));
  bytes(field, packed.out_);
}
void ProtoWriter::reals(int field, const std::vector<float>& values) {
  bytes(field, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

}  // namespace espalier
