// protobuf.h: the wire format of Protocol Buffers, as much as ONNX needs:
// https://protobuf.dev/programming-guides/encoding. A message is a sequence of fields, each a tag (number and
// wire type) and a value: a varint, 4 or 8 bytes, or bytes with their length before them (strings, messages,
// packed numbers). By hand and not by libprotobuf: it is small, has no limit of 2 GiB, skips what newer
// versions add, and every length is held against what is left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/core/check.h"

namespace espalier {

/// Reads the fields of one message one after the other:
///   while (reader.next()) switch (reader.field()) { case 1: version = reader.integer(); break; ... }
/// What is not asked for is skipped. Every complaint is Error(checkpoint) naming file, byte and message.
class ProtoReader {
 public:
  /// `bytes` must outlive the reader and what it returns; `file` is for messages, as `message`
  /// ("ModelProto").
  ProtoReader(std::string_view bytes, std::string file, const char* message);

  /// Goes to the next field; false at the end of the message.
  bool next();
  int field() const { return field_; }

  /// The value of the field, which must have the fitting wire type.
  std::int64_t integer();
  float real();
  std::string_view bytes();
  std::string text() { return std::string(bytes()); }
  ProtoReader message(const char* name);
  /// Appends the numbers of a repeated field: one of them, or many packed.
  void append(std::vector<std::int64_t>& values);
  void append(std::vector<float>& values);
  void append(std::vector<double>& values);

  /// For complaints about what a message means.
  template <class... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> what, Args&&... args) const {
    complain(fmt::format(what, std::forward<Args>(args)...));
  }

 private:
  enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
  /// What all readers of one file share.
  struct File {
    std::string name;
    const char* begin;
    std::uint64_t messages_left;
  };
  ProtoReader(std::string_view bytes, std::shared_ptr<File> file, const char* message, int depth);
  [[noreturn]] void complain(const std::string& what) const;
  std::uint64_t varint(std::string_view& from) const;
  std::string_view take(std::uint64_t count);
  void expect(Wire wire, const char* what) const;
  template <class T>
  void append_fixed(std::vector<T>& values, Wire single);

  std::shared_ptr<File> file_;
  const char* message_;
  int depth_;
  std::string_view rest_;
  int field_ = 0;
  Wire wire_ = Wire::varint;
  std::string_view value_;  ///< the bytes of the current field's value
  std::uint64_t number_ = 0;
};

/// Writes fields into a string. Numbers of repeated fields are packed, as protobuf 3 and ONNX do.
class ProtoWriter {
 public:
  void integer(int field, std::int64_t value);
  void real(int field, float value);
  void bytes(int field, std::string_view value);
  void message(int field, const ProtoWriter& inner) { bytes(field, inner.out_); }
  void integers(int field, const std::vector<std::int64_t>& values);
  void reals(int field, const std::vector<float>& values);
  const std::string& contents() const { return out_; }

 private:
  void varint(std::uint64_t value);
  std::string out_;
};

}  // namespace espalier
