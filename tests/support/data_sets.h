// data_sets.h: opening data sets by the names and settings a config would give, and the real ones where they
// are.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <variant>

#include "framework/data/image_set.h"

namespace espalier::testing {

using Setting = std::variant<int, double, std::string, std::vector<std::string>>;

/// Fields with the values of a map; the rest keep their defaults.
class GivenFields final : public Fields {
 public:
  explicit GivenFields(const std::map<std::string, Setting>& given) : given_(given) {}
  void rule(bool holds, const std::string& message) override {
    if (!holds) fail(ExitCode::config, "{}", message);
  }

 private:
  template <class T>
  const T* find(const Field& field) const {
    const auto it = given_.find(field.key);
    return it == given_.end() ? nullptr : &std::get<T>(it->second);
  }
  void on_integer(const Field& f, std::int64_t& v, const Limits&) override {
    if (const int* given = find<int>(f)) v = *given;
  }
  void on_number(const Field& f, double& v, const Limits&) override {
    if (const double* given = find<double>(f)) v = *given;
  }
  void on_string(const Field& f, std::string& v, const std::vector<std::string>&) override {
    if (const auto* given = find<std::string>(f)) v = *given;
  }
  void on_strings(const Field& f, std::vector<std::string>& v) override {
    if (const auto* given = find<std::vector<std::string>>(f)) v = *given;
  }
  // Data sets have no fields of these kinds.
  void on_bool(const Field&, bool&) override {}
  void on_integers(const Field&, std::vector<int>&, const Limits&) override {}
  void on_numbers(const Field&, std::vector<double>&, const Limits&) override {}
  void on_object(const Field&, const Body&) override {}
  void on_optional_object(const Field&, bool&, const Body&) override {}
  void on_objects(const Field&, std::size_t, const std::function<void(std::size_t)>&,
                  const std::function<void(std::size_t, Fields&)>&) override {}
  void on_variant(const Field&, ChoiceAccess&, bool) override {}
  void on_variants(const Field&, ChoiceAccess&, std::size_t, const std::function<void(std::size_t)>&,
                   const std::function<std::unique_ptr<ChoiceAccess>(std::size_t)>&) override {}

  const std::map<std::string, Setting>& given_;
};

inline Choice<DataSettings> choose_source(const std::string& type,
                                          const std::map<std::string, Setting>& given) {
  Choice<DataSettings> source;
  source.choose(type);
  GivenFields fields(given);
  source->fields(fields);
  return source;
}
inline DataSource open_source(const std::string& type, const std::map<std::string, Setting>& given) {
  return choose_source(type, given)->open();
}

/// The folder in the environment variable `name`, or "" if it is unset.
inline std::filesystem::path folder_from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace espalier::testing

/// Declares `folder` = $variable / below; skips the test where there is no such folder.
#define ESPALIER_NEEDS_FOLDER(folder, variable, below)                                                   \
  const std::filesystem::path folder = ::espalier::testing::folder_from_environment(variable) / (below); \
  if (!std::getenv(variable) || !std::filesystem::exists(folder))                                        \
  GTEST_SKIP() << "needs " << (below) << " in the folder that " << (variable) << " names"
