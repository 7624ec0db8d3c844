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

enum Op : std::uint8_t {
  MARK = '(',
  STOP = '.',
  POP = '0',
  POP_MARK = '1',
  DUP = '2',
  BINFLOAT = 'G',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  NONE = 'N',
  BINPERSID = 'Q',
  REDUCE = 'R',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  EMPTY_LIST = ']',
  APPEND = 'a',
  BUILD = 'b',
  GLOBAL = 'c',
  APPENDS = 'e',
  BINGET = 'h',
  LONG_BINGET = 'j',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  SETITEM = 's',
  TUPLE = 't',
  EMPTY_TUPLE = ')',
  SETITEMS = 'u',
  EMPTY_DICT = '}',
  BINBYTES = 'B',
  SHORT_BINBYTES = 'C',
  PROTO = 0x80,
  NEWOBJ = 0x81,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8a,
  LONG4 = 0x8b,
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  BINBYTES8 = 0x8e,
  EMPTY_SET = 0x8f,
  ADDITEMS = 0x90,
  FROZENSET = 0x91,
  NEWOBJ_EX = 0x92,
  STACK_GLOBAL = 0x93,
  MEMOIZE = 0x94,
  FRAME = 0x95,
  BYTEARRAY8 = 0x96,
};

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  Pickle run() {
    if (bytes_.size() < 2 || byte() != PROTO) corrupt("it does not begin with PROTO (protocol 2 or later)");
    const std::uint8_t protocol = byte();
    if (protocol < 2 || protocol > 5) corrupt("protocol {}; 2 to 5 are read", protocol);
    for (;;) {
      op_begin_ = at_;
      const std::uint8_t op = byte();
      if (op == STOP) break;
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
    switch (op) {
      case PROTO:
        byte();
        break;
      case FRAME:
        take(8);
        break;  // a length for readers of streams
      case MARK:
        push(mark);
        break;
      case POP:
        if (!stack_.empty()) stack_.pop_back();
        break;
      case POP_MARK:
        pop_to_mark();
        break;
      case DUP:
        top();
        push(stack_.back());
        break;
      case NONE:
        push(make(Kind::none));
        break;
      case NEWTRUE:
        push_integer(Kind::boolean, 1);
        break;
      case NEWFALSE:
        push_integer(Kind::boolean, 0);
        break;
      case BININT:
        push_integer(Kind::integer, std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
        break;
      case BININT1:
        push_integer(Kind::integer, byte());
        break;
      case BININT2:
        push_integer(Kind::integer, static_cast<std::int64_t>(number(2)));
        break;
      case LONG1:
        push_long(take(byte()));
        break;
      case LONG4:
        push_long(take(number(4)));
        break;
      case BINFLOAT: {  // the one number that is big-endian
        const PickleId id = make(Kind::real);
        out_.nodes[id].real = std::bit_cast<double>(__builtin_bswap64(number(8)));
        push(id);
        break;
      }
      case SHORT_BINUNICODE:
      case SHORT_BINSTRING:
        push_text(Kind::text, take(byte()));
        break;
      case BINUNICODE:
      case BINSTRING:
        push_text(Kind::text, take(number(4)));
        break;
      case BINUNICODE8:
        push_text(Kind::text, take(number(8)));
        break;
      case SHORT_BINBYTES:
        push_text(Kind::bytes, take(byte()));
        break;
      case BINBYTES:
        push_text(Kind::bytes, take(number(4)));
        break;
      case BINBYTES8:
      case BYTEARRAY8:
        push_text(Kind::bytes, take(number(8)));
        break;
      case EMPTY_LIST:
      case EMPTY_SET:
        push(make(Kind::list));
        break;
      case EMPTY_TUPLE:
        push(make(Kind::tuple));
        break;
      case EMPTY_DICT:
        push(make(Kind::dict));
        break;
      case TUPLE:
        push_items(Kind::tuple, pop_to_mark());
        break;
      case FROZENSET:
        push_items(Kind::list, pop_to_mark());
        break;
      case TUPLE1:
        push_tuple(1);
        break;
      case TUPLE2:
        push_tuple(2);
        break;
      case TUPLE3:
        push_tuple(3);
        break;
      case APPEND:
        append({pop()});
        break;
      case APPENDS:
      case ADDITEMS:
        append(pop_to_mark());
        break;
      case SETITEM: {
        const PickleId value = pop(), key = pop();
        set_items({key, value});
        break;
      }
      case SETITEMS:
        set_items(pop_to_mark());
        break;
      case BINPUT:
        put(byte());
        break;
      case LONG_BINPUT:
        put(number(4));
        break;
      case MEMOIZE:
        put(memo_.size());
        break;
      case BINGET:
        get(byte());
        break;
      case LONG_BINGET:
        get(number(4));
        break;
      case GLOBAL: {
        const std::string module(line());
        push_text(Kind::global, module + " " + std::string(line()));
        break;
      }
      case STACK_GLOBAL: {
        const PickleId name = pop(), module = pop();
        if (out_[name].kind != Kind::text || out_[module].kind != Kind::text)
          corrupt("a global without a name");
        push_text(Kind::global, out_[module].text + " " + out_[name].text);
        break;
      }
      case BINPERSID:
        push_items(Kind::persistent, {pop()});
        break;
      case REDUCE:
      case NEWOBJ:
        push_object();
        break;
      case NEWOBJ_EX:
        pop();
        push_object();
        break;  // arguments by name are dropped
      case BUILD: {
        const PickleId state = pop();
        if (top().kind == Kind::object) top().state = state;
        break;
      }
      default:
        corrupt("opcode 0x{:02x}, which torch.save does not write", op);
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
