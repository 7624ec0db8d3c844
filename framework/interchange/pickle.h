// pickle.h: Python's pickles read as plain data. A pickle is a program for a stack machine that may import
// and call anything; here nothing is imported and nothing is called: a global is a name, a call is a record
// of the name and its arguments. So a file from a stranger can be wrong, but it cannot do anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

using PickleId = std::int32_t;  ///< index into Pickle::nodes

struct PickleNode {
  enum class Kind : std::uint8_t {
    none,
    boolean,     ///< integer: 0 or 1
    integer,     ///< integer
    big,         ///< an integer of more than 64 bits; text: its little-endian bytes
    real,        ///< real
    text,        ///< text
    bytes,       ///< text
    list,        ///< items; sets too
    tuple,       ///< items
    dict,        ///< items: key, value, key, value, ...
    global,      ///< text: "module name"
    persistent,  ///< items[0]: what stands for an object kept outside the pickle (a tensor's storage)
    object,      ///< items[0]: what was called, items[1]: with which arguments
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<PickleId> items;
  // What an object was given after it was made, -1 if nothing: its state, its list items, its dictionary.
  PickleId state = -1, list = -1, dict = -1;
};

struct Pickle {
  std::vector<PickleNode> nodes;  ///< may refer to each other in circles
  PickleId root = -1;
  std::size_t size = 0;  ///< bytes read, up to and with the STOP

  const PickleNode& operator[](PickleId id) const { return nodes[id]; }
  /// Value of `key` in the dictionary `id` (a dict or an object with items), or -1.
  PickleId get(PickleId id, std::string_view key) const;
  /// The keys and values of a dict or of an object that has some: an OrderedDict is an object.
  const std::vector<PickleId>& pairs(PickleId id) const;
};

/// Reads one pickle of protocol 2 to 5 from the beginning of `bytes`. Throws Error(checkpoint) naming
/// `where`, the byte and the opcode: truncated data, opcodes that torch.save never writes, a stack or memo
/// that does not hold what is asked of it, more than 4 million values.
Pickle read_pickle(std::string_view bytes, const std::string& where);

}  // namespace espalier
