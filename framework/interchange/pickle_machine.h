// pickle_machine.h: what the opcodes of a pickle work on: its bytes, a stack, a memo, and the nodes made so
// far.
#pragma once

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "framework/core/check.h"
#include "framework/interchange/pickle.h"

namespace espalier {

class PickleMachine {
 public:
  using Kind = PickleNode::Kind;
  PickleMachine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

 protected:
  static constexpr std::size_t most_nodes = 4'000'000;  // a state dict has about 30 for a tensor
  static constexpr PickleId mark = -2;

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

  std::string_view bytes_;
  const std::string& where_;
  std::size_t at_ = 0, op_begin_ = 0;
  std::vector<PickleId> stack_;
  std::unordered_map<std::uint64_t, PickleId> memo_;
  Pickle out_;
};

}  // namespace espalier
