// trainer_state.cpp: the part of Trainer that is written to and read from state.safetensors: everything a run
// needs to continue to the same bits. Random numbers need no state (core/random.h).
#include <cstring>

#include "framework/io/safetensors.h"
#include "framework/train/trainer.h"

namespace espalier {
namespace {

// Doubles travel as their bits: a sum that is continued must not be rounded by a decimal in between.
std::string bits(double v) {
  std::uint64_t u = 0;
  std::memcpy(&u, &v, sizeof u);
  return fmt::format("{:016x}", u);
}
double from_bits(const std::string& s) {
  const std::uint64_t u = std::stoull(s, nullptr, 16);
  double v = 0;
  std::memcpy(&v, &u, sizeof v);
  return v;
}

void restore(const TensorFile& file, const std::filesystem::path& path, const std::string& name,
             std::span<Real> into) {
  const StoredTensor* t = file.find(name);
  if (!t)
    fail(ExitCode::checkpoint, "{}: has no array '{}'; it is not a state of this run", path.string(), name);
  const std::vector<float> values = to_floats(*t);
  if (values.size() != into.size())
    fail(ExitCode::checkpoint, "{}: '{}' has {} values, this run needs {}", path.string(), name,
         values.size(), into.size());
  std::copy(values.begin(), values.end(), into.begin());
}

}  // namespace

void Trainer::write_state() const {
  ParameterStore& store = context_.model.store();
  TensorFile file;
  file.metadata = {{"resolved_config", context_.resolved_config},
                   {"epoch", std::to_string(at_.epoch)},
                   {"step", std::to_string(at_.step)},
                   {"hook_done", at_.hook_done ? "1" : "0"},
                   {"complete", at_.complete ? "1" : "0"},
                   {"loss_sum", bits(at_.loss_sum)},
                   {"seconds", bits(at_.seconds)},
                   {"correct", std::to_string(at_.correct)},
                   {"seen", std::to_string(at_.seen)},
                   {"metrics_rows", std::to_string(context_.metrics.size())},
                   {"optimizer_steps", std::to_string(optimizer_->steps)}};
  const auto add = [&](const std::string& name, std::span<const Real> values) {
    const std::vector<float> copy(values.begin(), values.end());
    file.add(name, {static_cast<std::int64_t>(copy.size())}, std::span<const float>(copy));
  };
  add("values", store.values());
  add("mask", store.mask());
  add("statistics", store.statistics());
  for (const auto& [name, values] : optimizer_->state()) add("optimizer." + name, values);
  write_safetensors(context_.folder.state(), file);
}

void Trainer::mark_complete() {
  at_.complete = true;
  write_state();
}

void Trainer::resume() {
  const std::filesystem::path path = context_.folder.state();
  const TensorFile file = read_safetensors(path);
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      fail(ExitCode::checkpoint, "{}: has no '{}' in its metadata; it is not a state of this program",
           path.string(), key);
    return found->second;
  };
  if (text("resolved_config") != context_.resolved_config)
    fail(ExitCode::config,
         "{}: the run stopped there had another configuration, version or data (its own is in {}); resume "
         "with the same, or choose "
         "another --output",
         path.string(), context_.folder.config().string());
  ParameterStore& store = context_.model.store();
  restore(file, path, "values", store.values());
  restore(file, path, "mask", store.mask());
  restore(file, path, "statistics", store.statistics());
  for (const auto& [name, values] : optimizer_->state()) restore(file, path, "optimizer." + name, values);
  optimizer_->steps = std::stoll(text("optimizer_steps"));
  at_ = {.epoch = std::stoi(text("epoch")),
         .step = std::stoll(text("step")),
         .hook_done = text("hook_done") == "1",
         .loss_sum = from_bits(text("loss_sum")),
         .seconds = from_bits(text("seconds")),
         .correct = std::stoll(text("correct")),
         .seen = std::stoll(text("seen")),
         .complete = text("complete") == "1"};
  context_.metrics.truncate(static_cast<std::size_t>(std::stoull(text("metrics_rows"))));
}

}  // namespace espalier
