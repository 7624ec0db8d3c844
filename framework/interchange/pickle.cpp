// pickle.cpp: the opcodes.
#include "framework/interchange/pickle.h"

#include <bit>

#include "framework/interchange/pickle_machine.h"

namespace espalier {
namespace {

using Kind = PickleNode::Kind;

/// Opcodes that push text or bytes with their length before them.
struct TextOp {
  std::uint8_t op;
  Kind kind;
  int length_bytes;
};
constexpr TextOp text_ops[] = {
    {0x8c, Kind::text, 1},   // SHORT_BINUNICODE
    {'X', Kind::text, 4},    // BINUNICODE
    {0x8d, Kind::text, 8},   // BINUNICODE8
    {'U', Kind::text, 1},    // SHORT_BINSTRING, of Python 2
    {'T', Kind::text, 4},    // BINSTRING
    {'C', Kind::bytes, 1},   // SHORT_BINBYTES
    {'B', Kind::bytes, 4},   // BINBYTES
    {0x8e, Kind::bytes, 8},  // BINBYTES8
    {0x96, Kind::bytes, 8},  // BYTEARRAY8
};

class Opcodes final : public PickleMachine {
 public:
  using PickleMachine::PickleMachine;

  Pickle run() {
    if (bytes_.size() < 2 || byte() != 0x80) corrupt("it does not begin with PROTO (protocol 2 or later)");
    const std::uint8_t protocol = byte();
    if (protocol < 2 || protocol > 5) corrupt("protocol {}; 2 to 5 are read", protocol);
    for (;;) {
      op_begin_ = at_;
      const std::uint8_t op = byte();
      if (op == '.') break;
      step(op);
    }
    out_.root = pop();
    out_.size = at_;
    return std::move(out_);
  }

 private:
  void step(std::uint8_t op) {
    for (const TextOp& t : text_ops)
      if (op == t.op) return push_text(t.kind, take(number(t.length_bytes)));
    if (!push_number(op) && !stack_or_memo(op) && !container(op) && !object(op))
      corrupt("opcode 0x{:02x}, which torch.save does not write", op);
  }

  bool push_number(std::uint8_t op) {
    switch (op) {
      case 'N':  // NONE
        push(make(Kind::none));
        return true;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push_integer(Kind::boolean, op == 0x88);
        return true;
      case 'J':  // BININT
        push_integer(Kind::integer, std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
        return true;
      case 'K':  // BININT1
      case 'M':  // BININT2
        push_integer(Kind::integer, static_cast<std::int64_t>(number(op == 'K' ? 1 : 2)));
        return true;
      case 0x8a:  // LONG1
      case 0x8b:  // LONG4
        push_long(take(number(op == 0x8a ? 1 : 4)));
        return true;
      case 'G': {  // BINFLOAT, the one number that is big-endian
        const PickleId id = make(Kind::real);
        out_.nodes[id].real = std::bit_cast<double>(__builtin_bswap64(number(8)));
        push(id);
        return true;
      }
      default:
        return false;
    }
  }

  bool stack_or_memo(std::uint8_t op) {
    switch (op) {
      case 0x80:  // PROTO
        take(1);
        return true;
      case 0x95:  // FRAME: a length for readers of streams
        take(8);
        return true;
      case '(':
        push(mark);
        return true;
      case '0':  // POP
        if (!stack_.empty()) stack_.pop_back();
        return true;
      case '1':  // POP_MARK
        pop_to_mark();
        return true;
      case '2':  // DUP
        top();
        push(stack_.back());
        return true;
      case 'q':  // BINPUT
      case 'r':  // LONG_BINPUT
        put(number(op == 'q' ? 1 : 4));
        return true;
      case 0x94:  // MEMOIZE
        put(memo_.size());
        return true;
      case 'h':  // BINGET
      case 'j':  // LONG_BINGET
        get(number(op == 'h' ? 1 : 4));
        return true;
      default:
        return false;
    }
  }

  bool container(std::uint8_t op) {
    switch (op) {
      case ']':   // EMPTY_LIST
      case 0x8f:  // EMPTY_SET
        push(make(Kind::list));
        return true;
      case '}':  // EMPTY_DICT
        push(make(Kind::dict));
        return true;
      case ')':   // EMPTY_TUPLE
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        push_tuple(op == ')' ? 0 : op - 0x84);
        return true;
      case 't':   // TUPLE
      case 0x91:  // FROZENSET
        push_items(op == 't' ? Kind::tuple : Kind::list, pop_to_mark());
        return true;
      case 'a':  // APPEND
        append({pop()});
        return true;
      case 'e':   // APPENDS
      case 0x90:  // ADDITEMS
        append(pop_to_mark());
        return true;
      case 's': {  // SETITEM
        const PickleId value = pop(), key = pop();
        set_items({key, value});
        return true;
      }
      case 'u':  // SETITEMS
        set_items(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  bool object(std::uint8_t op) {
    switch (op) {
      case 'c': {  // GLOBAL
        const std::string module(line());
        push_text(Kind::global, module + " " + std::string(line()));
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleId name = pop(), module = pop();
        if (out_[name].kind != Kind::text || out_[module].kind != Kind::text)
          corrupt("a global without a name");
        push_text(Kind::global, out_[module].text + " " + out_[name].text);
        return true;
      }
      case 'Q':  // BINPERSID
        push_items(Kind::persistent, {pop()});
        return true;
      case 0x92:  // NEWOBJ_EX: arguments by name are dropped
        pop();
        push_object();
        return true;
      case 'R':   // REDUCE
      case 0x81:  // NEWOBJ
        push_object();
        return true;
      case 'b': {  // BUILD
        const PickleId state = pop();
        if (top().kind == Kind::object) top().state = state;
        return true;
      }
      default:
        return false;
    }
  }
};

}  // namespace

const std::vector<PickleId>& Pickle::pairs(PickleId id) const {
  static const std::vector<PickleId> none;
  const PickleNode& node = nodes[id];
  if (node.kind == Kind::dict) return node.items;
  if (node.kind == Kind::object && node.dict >= 0) return nodes[node.dict].items;
  return none;
}

PickleId Pickle::get(PickleId id, std::string_view key) const {
  const auto& all = pairs(id);
  for (std::size_t i = 0; i + 1 < all.size(); i += 2)
    if (nodes[all[i]].kind == Kind::text && nodes[all[i]].text == key) return all[i + 1];
  return -1;
}

Pickle read_pickle(std::string_view bytes, const std::string& where) { return Opcodes(bytes, where).run(); }

}  // namespace espalier
