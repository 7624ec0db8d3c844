#include "framework/autograd/var.h"

#include <atomic>

namespace espalier {
namespace {

thread_local bool recording_now = true;
std::atomic<std::uint64_t> next_order{1};

std::shared_ptr<Node> leaf(Tensor value) {
  auto node = std::allocate_shared<Node>(PoolAllocator<Node>());
  node->value = std::move(value);
  return node;
}

}  // namespace

Var::Var(Tensor value, bool requires_grad) : node_(leaf(std::move(value))) {
  node_->requires_grad = requires_grad;
}

Var Var::parameter(Tensor value, ParameterId id) {
  Var v(std::move(value), true);
  v.node_->parameter = id;
  return v;
}

const Tensor& Var::value() const {
  require(node_ != nullptr, "[var] an empty variable has no value");
  return node_->value;
}
void Var::forget_values() const {
  if (node_) node_->value = node_->value.without_values();
}
bool Var::requires_grad() const { return node_ != nullptr && node_->requires_grad; }

bool recording() { return recording_now; }
Recording::Recording(bool on) : before_(recording_now) { recording_now = on; }
Recording::~Recording() { recording_now = before_; }

bool detail::any_requires_grad(const Inputs& in) {
  for (int i = 0; i < in.count(); ++i)
    if (in[i].requires_grad()) return true;
  return false;
}

void detail::finish(Node& node, const char* op, const Inputs& in, Tensor out, Coupling coupling) {
  node.op = op;
  node.value = std::move(out);
  node.inputs = in;
  node.requires_grad = true;
  node.coupling = coupling;
  node.order = next_order.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace espalier
