#include "framework/interchange/pickle.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "framework/core/check.h"

namespace espalier {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t most_nodes = 4'000'000;  // a state dict has about 30 for a tensor
constexpr PickleId mark = -2;

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

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

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
  template <class... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> what, Args&&... args) const {
    fail(ExitCode::checkpoint, "{}: byte {}: not a pickle that can be read here: {}", where_, op_begin_,
         fmt::format(what, std::forward<Args>(args)...));
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_)
      corrupt("{} bytes are wanted where {} are left; it is truncated", count, bytes_.size() - at_);
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }
  std::uint64_t number(int count) {
    std::uint64_t value = 0;
    const std::string_view part = take(count);
    for (int i = count; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(part[i]);
    return value;
  }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) corrupt("a line without end; it is truncated");
    const std::string_view text = take(end - at_);
    ++at_;
    return text;
  }

  PickleId make(Kind kind) {
    if (out_.nodes.size() >= most_nodes) corrupt("more than {} values", most_nodes);
    out_.nodes.emplace_back().kind = kind;
    return static_cast<PickleId>(out_.nodes.size() - 1);
  }
  void push(PickleId id) {
    if (stack_.size() >= most_nodes) corrupt("a stack of more than {} values", most_nodes);
    stack_.push_back(id);
  }
  PickleId pop() {
    if (stack_.empty() || stack_.back() == mark) corrupt("nothing is on the stack");
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  /// What is above the last mark, which goes too.
  std::vector<PickleId> pop_to_mark() {
    const auto found = std::find(stack_.rbegin(), stack_.rend(), mark);
    if (found == stack_.rend()) corrupt("no mark is on the stack");
    std::vector<PickleId> items(found.base(), stack_.end());
    stack_.erase(found.base() - 1, stack_.end());
    return items;
  }
  PickleNode& top() {
    if (stack_.empty() || stack_.back() == mark) corrupt("nothing is on the stack");
    return out_.nodes[stack_.back()];
  }
  void push_text(Kind kind, std::string_view text) {
    const PickleId id = make(kind);
    out_.nodes[id].text = text;
    push(id);
  }
  void push_integer(Kind kind, std::int64_t value) {
    const PickleId id = make(kind);
    out_.nodes[id].integer = value;
    push(id);
  }
  void push_items(Kind kind, std::vector<PickleId> items) {
    const PickleId id = make(kind);
    out_.nodes[id].items = std::move(items);
    push(id);
  }
  void push_tuple(int count) {
    std::vector<PickleId> items(count);
    for (int i = count; i-- > 0;) items[i] = pop();
    push_items(Kind::tuple, std::move(items));
  }
  void push_long(std::string_view bytes) {
    if (bytes.size() > 8) return push_text(Kind::big, bytes);
    std::uint64_t value = !bytes.empty() && static_cast<std::uint8_t>(bytes.back()) >= 0x80 ? ~0ull : 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
    push_integer(Kind::integer, std::bit_cast<std::int64_t>(value));
  }
  void push_object() {
    const PickleId arguments = pop(), callee = pop();
    push_items(Kind::object, {callee, arguments});
    if (out_[callee].kind == Kind::global && out_[callee].text == "collections OrderedDict")
      take_items_of_python_2(out_.nodes[arguments].items);
  }
  /// Python 2 wrote an OrderedDict as OrderedDict([[key, value], ...]); later ones set its items afterwards.
  void take_items_of_python_2(const std::vector<PickleId>& arguments) {
    if (arguments.size() != 1) return;
    std::vector<PickleId> items;
    for (const PickleId pair : out_[arguments[0]].items) {
      const auto& two = out_[pair].items;
      if (two.size() != 2) return;
      items.insert(items.end(), two.begin(), two.end());
    }
    if (!items.empty()) set_items(items);
  }
  void get(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) corrupt("memo {} is empty", key);
    push(found->second);
  }
  void put(std::uint64_t key) {
    top();
    memo_[key] = stack_.back();
  }

  /// Where a list, or an object that is one, keeps its items.
  std::vector<PickleId>& items_of_top(Kind kind, PickleId PickleNode::*place) {
    if (top().kind == kind) return top().items;
    if (top().kind != Kind::object) corrupt("items are added to what has none");
    if (top().*place < 0) {
      const PickleId made = make(kind);
      top().*place = made;
    }
    return out_.nodes[top().*place].items;
  }
  void append(const std::vector<PickleId>& items) {
    auto& list = items_of_top(Kind::list, &PickleNode::list);
    list.insert(list.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<PickleId>& items) {
    if (items.size() % 2 != 0) corrupt("a key without a value");
    auto& dict = items_of_top(Kind::dict, &PickleNode::dict);
    dict.insert(dict.end(), items.begin(), items.end());
  }

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

  std::string_view bytes_;
  const std::string& where_;
  std::size_t at_ = 0, op_begin_ = 0;
  std::vector<PickleId> stack_;
  std::unordered_map<std::uint64_t, PickleId> memo_;
  Pickle out_;
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

Pickle read_pickle(std::string_view bytes, const std::string& where) { return Machine(bytes, where).run(); }

}  // namespace espalier
