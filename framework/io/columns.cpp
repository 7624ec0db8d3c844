#include "framework/io/columns.h"

#include <algorithm>

namespace espalier {
namespace {

template <class... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};

/// Sets `into` to what a row holds under `name`; false if that is of another type.
bool take(const MetricsRow& row, const std::string& name, double& into) {
  const MetricValue* value = find(row, name);
  if (!value || std::holds_alternative<std::string>(*value)) return false;
  into = number(row, name);
  return true;
}
template <class T>
bool take(const MetricsRow& row, const std::string& name, T& into) {
  const MetricValue* value = find(row, name);
  const T* same = value ? std::get_if<T>(value) : nullptr;
  if (same) into = *same;
  return same != nullptr;
}

}  // namespace

std::string_view Column::type() const {
  return std::visit(
      Overloaded{
          [](const double*) { return "number"; }, [](const std::optional<double>*) { return "number"; },
          [](const Named<double>*) { return "number"; }, [](const std::int64_t*) { return "integer"; },
          [](const std::optional<std::int64_t>*) { return "integer"; },
          [](const Named<std::int64_t>*) { return "integer"; }, [](const std::string*) { return "string"; },
          [](const std::optional<std::string>*) { return "string"; }, [](const bool*) { return "boolean"; },
          [](const std::optional<bool>*) { return "boolean"; }},
      target);
}

const Column* RowKind::find(std::string_view member) const {
  for (const Column& c : columns)
    if (c.many() ? member.starts_with(c.name) && member.size() > c.name.size() : member == c.name) return &c;
  return nullptr;
}

void append_columns(MetricsRow& row, const std::vector<Column>& columns) {
  for (const Column& c : columns)
    std::visit(Overloaded{[&]<class T>(const std::optional<T>* value) {
                            if (*value) row.emplace_back(c.name, **value);
                          },
                          [&]<class T>(const Named<T>* values) {
                            for (const auto& [rest, value] : *values) row.emplace_back(c.name + rest, value);
                          },
                          [&](const auto* value) { row.emplace_back(c.name, *value); }},
               c.target);
}

void read_columns(const MetricsRow& row, const std::vector<Column>& columns) {
  for (const Column& c : columns)
    std::visit(Overloaded{[&]<class T>(std::optional<T>* into) {
                            if (T value{}; take(row, c.name, value)) *into = value;
                          },
                          [&]<class T>(Named<T>* into) {
                            for (const auto& [name, any] : row)
                              if (T value{}; name.starts_with(c.name) && take(row, name, value))
                                into->emplace_back(name.substr(c.name.size()), value);
                          },
                          [&](auto* into) { take(row, c.name, *into); }},
               c.target);
}

}  // namespace espalier
