// trainer_state.cpp: the part of Trainer that is written to and read from state.safetensors: everything a run
// needs to continue to the same bits. Random numbers need no state (core/random.h). Where the run is stands in
// the metadata as JSON of declared fields, read like a config; a checksum covers all of the file.
#include <algorithm>
#include <cmath>

#include "framework/config/reader.h"
#include "framework/config/writer.h"
#include "framework/data/hash.h"
#include "framework/io/safetensors.h"
#include "framework/train/trainer.h"

namespace espalier {
namespace {

/// Of everything that is read back, in the order of the names.
std::string checksum(const TensorFile& file) {
  Sha256 sum;
  const auto add = [&](std::string_view text) {
    sum.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    const std::uint8_t end = 0;
    sum.add({&end, 1});
  };
  for (const auto& [key, value] : file.metadata) {
    if (key == "sha256") continue;
    add(key);
    add(value);
  }
  std::vector<const StoredTensor*> tensors;
  for (const StoredTensor& t : file.tensors) tensors.push_back(&t);
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor* a, const StoredTensor* b) { return a->name < b->name; });
  for (const StoredTensor* t : tensors) {
    add(t->name);
    sum.add({reinterpret_cast<const std::uint8_t*>(t->bytes.data()), t->bytes.size()});
  }
  return sum.hex();
}

void restore(const TensorFile& file, const std::string& path, const std::string& name, std::span<Real> into) {
  const StoredTensor* t = file.find(name);
  if (!t) fail(ExitCode::checkpoint, "{}: has no array '{}'; it is not a state of this run", path, name);
  if (t->dtype != DType::f32)
    fail(ExitCode::checkpoint, "{}: '{}' is of type {}; a state holds F32", path, name, name_of(t->dtype));
  const std::vector<float> values = to_floats(*t);
  if (values.size() != into.size())
    fail(ExitCode::checkpoint, "{}: '{}' has {} values, this run needs {}", path, name, values.size(),
         into.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]) || (name == "mask" && values[i] != 0 && values[i] != 1))
      fail(ExitCode::checkpoint, "{}: '{}' holds {} at index {}; {}", path, name, values[i], i,
           name == "mask" ? "a mask is 0 or 1" : "values must be finite");
  std::copy(values.begin(), values.end(), into.begin());
}

}  // namespace

void Trainer::Position::fields(Fields& f, const Bounds& most) {
  const auto up_to = [](Index n) { return Limits{.low = 0, .high = static_cast<double>(n)}; };
  f.required()("epoch", epoch, "epochs that are finished", up_to(most.epochs));
  f.required()("step", step, "steps of the epoch that are done", up_to(most.steps));
  f.required()("hook_done", hook_done, "whether the epoch's pruning is done");
  f.required()("complete", complete, "whether the run is at its end, results written");
  f.required()("loss_sum", loss_sum, "of the epoch's examples so far", {.low = 0});
  f.required()("seconds", seconds, "spent on the epoch so far", {.low = 0});
  f.required()("correct", correct, "of the epoch's examples so far", up_to(most.images));
  f.required()("seen", seen, "examples of the epoch so far", up_to(most.images));
  f.required()("metrics_rows", metrics_rows, "rows of the metrics that belong to this state", {.low = 0});
  f.required()("optimizer_steps", optimizer_steps, "steps the optimizer has taken", {.low = 0});
  f("best_accuracy", best_accuracy, "of an epoch at the final sparsity", {.low = 0, .high = 1});
  f("best_epoch", best_epoch, "epochs trained then; 0: none", up_to(most.epochs));
  f("ended", ended, "whether train.patience has ended the run");
  f.rule(correct <= seen, fmt::format("{} of {} examples are correct", correct, seen));
  f.rule(!complete || hook_done, "a complete run has nothing left to prune");
}

void Trainer::write_state(Index metrics_rows) {
  ParameterStore& store = context_.model.store();
  Position at = at_;
  at.metrics_rows = metrics_rows;
  at.optimizer_steps = optimizer_->steps;
  TensorFile file;
  file.metadata = context_.metadata(at_.epoch);
  file.metadata["position"] = write_fields([&](Fields& f) { at.fields(f, Bounds()); });
  file.metadata["instruction_sets"] = instruction_sets_;
  const auto add = [&](const std::string& name, std::span<const Real> values) {
    const std::vector<float> copy(values.begin(), values.end());
    file.add(name, {static_cast<std::int64_t>(copy.size())}, std::span<const float>(copy));
  };
  // The finished network shows its average; training goes on with the weights.
  add("values", average_shown_ ? std::span<const Real>(average_->values()) : std::span<const Real>(store.values()));
  if (average_)
    add("average", average_shown_ ? std::span<const Real>(store.values()) : std::span<const Real>(average_->values()));
  add("mask", store.mask());
  add("statistics", store.statistics());
  for (const auto& [name, values] : optimizer_->state()) add("optimizer." + name, values);
  file.metadata["sha256"] = checksum(file);
  write_safetensors(context_.folder.state(), file);
}

void Trainer::mark_complete() {
  at_.complete = true;
  write_state();
}

void Trainer::reopen() {
  at_.complete = false;
  const std::size_t rows = context_.metrics.size() - 1;
  write_state(static_cast<Index>(rows));  // first: a state may know of fewer rows than there are, not of more
  context_.metrics.truncate(rows);
}

void Trainer::resume(const ResumeOptions& options) {
  const std::string path = context_.folder.state().string();
  const TensorFile file = read_safetensors(path);
  const auto text = [&](const char* key) -> const std::string& {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      fail(ExitCode::checkpoint,
           "{}: has no '{}' in its metadata; it is no state of this program, or of another version of it",
           path, key);
    return found->second;
  };
  Position at;
  const auto read = [&](const Bounds& most) {
    read_fields(
        JsonDocument::parse(text("position"), path + ": position", ExitCode::checkpoint),
        [&](Fields& f) { at.fields(f, most); }, ExitCode::checkpoint);
  };
  read(Bounds());
  if (checksum(file) != text("sha256"))
    fail(
        ExitCode::checkpoint,
        "{}: is damaged: its contents do not have the checksum that was written with them (sha256). Start the "
        "run anew (--overwrite), or put back a copy",
        path);
  if (options.accept)
    options.accept({text("resolved_config"), at.epoch, at.step, at.hook_done, at.complete, at.metrics_rows});
  else if (text("resolved_config") != context_.resolved_config)
    fail(ExitCode::config, "{}: is of a run with another configuration", path);
  Bounds most{settings_.epochs, loader_.batches_per_epoch(), context_.data.source.train.size()};
  read(most);  // now that the run is known to be the same

  const std::string now = instruction_set();
  instruction_sets_ = text("instruction_sets");
  const bool over = at.complete && (at.epoch >= settings_.epochs || at.ended);  // nothing is left to compute
  if (instruction_sets_ != now && !over) {
    if (!options.other_instruction_set)
      fail(
          ExitCode::usage,
          "{}: the run was computed by the instruction set {}, and this is {}: it would end with other bits than "
          "on either alone. Set ESPALIER_CPU={} where the CPU has it, or give --other-instruction-set",
          path, instruction_sets_, now, instruction_sets_.substr(0, instruction_sets_.find(',')));
    if (!instruction_sets_.ends_with(now)) instruction_sets_ += ", " + now;
  }
  ParameterStore& store = context_.model.store();
  restore(file, path, "values", store.values());
  if (average_) restore(file, path, "average", average_->values());
  restore(file, path, "mask", store.mask());
  restore(file, path, "statistics", store.statistics());
  for (const auto& [name, values] : optimizer_->state()) restore(file, path, "optimizer." + name, values);
  optimizer_->steps = at.optimizer_steps;
  context_.metrics.truncate(static_cast<std::size_t>(at.metrics_rows));
  at_ = at;
  if (at_.complete && goes_on()) {  // more epochs after the end
    const auto& rows = context_.metrics.rows();
    if (!rows.empty() && espalier::text(rows.back(), "event") == "done")
      reopen();
    else
      at_.complete = false;
  }
}

}  // namespace espalier
