// fields.h: one list of fields per settings struct serves four ends: reading strict JSON, writing the
// resolved config, the JSON Schema for editors, and the error messages. A settings struct declares its
// fields once:
//
//   struct SgdSettings {
//     double momentum = 0.9;                       // the default is the initial value
//     bool nesterov = false;
//     void fields(Fields& f) {
//       f("momentum", momentum, "share of the last step that is kept", {.low = 0, .high = 1});
//       f("nesterov", nesterov, "look ahead along the velocity");
//     }
//   };
//
// Unknown keys, wrong types and values out of range are Error(config) with file, JSON path,
// rule and "did you mean".
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/config/registry.h"

namespace espalier {

/// Allowed numbers, ends included unless `open`.
struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;
};

/// A polymorphic part of the config: {"type": name, ...its fields}. A bare string "name" is short for
/// {"type": "name"}. Default: set `type` and `settings` with choose().
template <class Base>
struct Variant {
  std::string type;
  std::unique_ptr<Base> settings;
  Base* operator->() const { return settings.get(); }
  explicit operator bool() const { return settings != nullptr; }
  void choose(const std::string& name) {
    type = name;
    settings = Registry<Base>::entries().at(name).make();
  }
};

/// What a type-erased Variant needs; implemented by the template below.
struct VariantAccess {
  virtual ~VariantAccess() = default;
  virtual const char* tag() const { return "type"; }  ///< the key that holds the name
  virtual std::vector<std::pair<std::string, std::string>> names() const = 0;  ///< (name, help)
  virtual const std::string& type() const = 0;
  virtual void choose(const std::string& name) = 0;
  virtual void fields_of(const std::string& name,
                         class Fields& f) = 0;  ///< of a fresh object (for the schema)
  virtual void fields(class Fields& f) = 0;     ///< of the object held
};

class Fields {
 public:
  virtual ~Fields() = default;

  /// The next field declared must be present when reading: f.required()("path", path, "...").
  Fields& required() {
    required_ = true;
    return *this;
  }

  void operator()(std::string_view key, bool& v, std::string_view help) { on_bool(take(key, help), v); }
  void operator()(std::string_view key, int& v, std::string_view help, Limits l = {}) {
    std::int64_t wide = v;
    on_integer(take(key, help), wide, clip(l));
    v = static_cast<int>(wide);
  }
  /// Up to 2^53: a larger one would not survive programs that read JSON's numbers as doubles.
  void operator()(std::string_view key, std::int64_t& v, std::string_view help, Limits l = {}) {
    l.low = std::max(l.low, -9007199254740992.0);
    l.high = std::min(l.high, 9007199254740992.0);
    on_integer(take(key, help), v, l);
  }
  /// Any of 64 bits, as a seed is.
  void operator()(std::string_view key, std::uint64_t& v, std::string_view help) {
    on_unsigned(take(key, help), v);
  }
  void operator()(std::string_view key, double& v, std::string_view help, Limits l = {}) {
    on_number(take(key, help), v, l);
  }
  void operator()(std::string_view key, std::string& v, std::string_view help) {
    on_string(take(key, help), v, {});
  }
  /// A file or folder. A relative one is looked for beside the file that names it, then in the working folder.
  void path(std::string_view key, std::string& v, std::string_view help) { on_path(take(key, help), v); }
  void operator()(std::string_view key, std::vector<int>& v, std::string_view help, Limits l = {}) {
    on_integers(take(key, help), v, clip(l));
  }
  void operator()(std::string_view key, std::vector<double>& v, std::string_view help, Limits l = {}) {
    on_numbers(take(key, help), v, l);
  }
  void operator()(std::string_view key, std::vector<std::string>& v, std::string_view help) {
    on_strings(take(key, help), v);
  }
  /// Lengths at the sides of an image (height and width; or top, left, bottom and right): an integer if they
  /// are equal, else a list of them.
  void sides(std::string_view key, const std::vector<std::int64_t*>& v, std::string_view help,
             Limits l = {}) {
    on_sides(take(key, help), v, clip(l));
  }
  /// Any JSON value, as text.
  void json(std::string_view key, std::string& v, std::string_view help) { on_json(take(key, help), v); }
  /// A number or the word "auto", which is std::nullopt.
  void automatic(std::string_view key, std::optional<double>& v, std::string_view help, Limits l = {}) {
    on_automatic(take(key, help), v, l, false);
  }
  void automatic(std::string_view key, std::optional<int>& v, std::string_view help, Limits l = {}) {
    std::optional<double> wide = v;
    on_automatic(take(key, help), wide, clip(l), true);
    v = wide ? std::optional<int>(static_cast<int>(*wide)) : std::nullopt;
  }
  /// Enumerations by name.
  template <class E>
  void one_of(std::string_view key, E& v, std::initializer_list<std::pair<const char*, E>> names,
              std::string_view help) {
    std::vector<std::string> all;
    std::string text;
    for (const auto& [name, value] : names) {
      all.emplace_back(name);
      if (value == v) text = name;
    }
    on_string(take(key, help), text, all);
    for (const auto& [name, value] : names)
      if (text == name) v = value;
  }
  /// A nested object of fixed type with a member `void fields(Fields&)`.
  template <class T>
  void object(std::string_view key, T& v, std::string_view help) {
    on_object(take(key, help), [&](Fields& f) { v.fields(f); });
  }
  /// The same of an object of which mostly one member is all there is to say: a string alone is short for
  /// {member: string}, and is what is written if all others are at their defaults.
  template <class T>
  void object_or_string(std::string_view key, T& v, std::string_view member, std::string_view help) {
    on_object_or_string(
        take(key, help), std::string(member), [&](Fields& f) { v.fields(f); },
        [](Fields& f) { T{}.fields(f); });
  }
  /// A nested object that may be absent (or null): std::nullopt.
  template <class T>
  void optional_object(std::string_view key, std::optional<T>& v, std::string_view help) {
    bool present = v.has_value();
    T inner = v ? std::move(*v) : T{};
    on_optional_object(take(key, help), present, [&](Fields& f) { inner.fields(f); });
    if (present)
      v = std::move(inner);
    else
      v.reset();
  }
  /// A list of objects of fixed type.
  template <class T>
  void objects(std::string_view key, std::vector<T>& v, std::string_view help) {
    on_objects(
        take(key, help), v.size(), [&](std::size_t n) { v.resize(n); },
        [&](std::size_t i, Fields& f) { i < v.size() ? v[i].fields(f) : T{}.fields(f); });
  }
  /// A polymorphic object by registry; with `nullable`, null or absence leaves it empty.
  template <class Base>
  void variant(std::string_view key, Variant<Base>& v, std::string_view help, bool nullable = false) {
    Access<Base> access(v);
    on_variant(take(key, help), access, nullable);
  }
  /// A list of polymorphic objects (the layers of a sequential model). May nest.
  template <class Base>
  void variants(std::string_view key, std::vector<Variant<Base>>& v, std::string_view help) {
    Variant<Base> sample;
    Access<Base> access(sample);
    on_variants(
        take(key, help), access, v.size(), [&](std::size_t n) { v.resize(n); },
        [&](std::size_t i) { return std::make_unique<Access<Base>>(v[i]); });
  }
  /// The same of elements that are no Variant: `element(i)` gives access to the i-th, `sample` to a fresh one.
  void variants(std::string_view key, VariantAccess& sample, std::size_t count,
                const std::function<void(std::size_t)>& resize,
                const std::function<std::unique_ptr<VariantAccess>(std::size_t)>& element,
                std::string_view help) {
    on_variants(take(key, help), sample, count, resize, element);
  }
  /// A rule that ties several fields together. When reading, a failure is Error(config) that names this
  /// object.
  virtual void rule(bool holds, const std::string& message) = 0;

 protected:
  struct Field {
    std::string key, help;
    bool required;
  };
  using Body = std::function<void(Fields&)>;
  virtual void on_bool(const Field&, bool&) = 0;
  virtual void on_integer(const Field&, std::int64_t&, const Limits&) = 0;
  virtual void on_unsigned(const Field&, std::uint64_t&) = 0;
  virtual void on_number(const Field&, double&, const Limits&) = 0;
  virtual void on_automatic(const Field&, std::optional<double>&, const Limits&, bool integer) = 0;
  virtual void on_string(const Field&, std::string&, const std::vector<std::string>& allowed) = 0;
  virtual void on_path(const Field& f, std::string& v) { on_string(f, v, {}); }
  virtual void on_integers(const Field&, std::vector<int>&, const Limits&) = 0;
  virtual void on_numbers(const Field&, std::vector<double>&, const Limits&) = 0;
  virtual void on_sides(const Field&, const std::vector<std::int64_t*>&, const Limits&) = 0;
  virtual void on_strings(const Field&, std::vector<std::string>&) = 0;
  virtual void on_json(const Field&, std::string&) = 0;
  virtual void on_object(const Field&, const Body&) = 0;
  /// `fresh`: the fields of an object at its defaults.
  virtual void on_object_or_string(const Field&, const std::string& member, const Body&,
                                   const Body& fresh) = 0;
  virtual void on_optional_object(const Field&, bool& present, const Body&) = 0;
  virtual void on_objects(const Field&, std::size_t count, const std::function<void(std::size_t)>& resize,
                          const std::function<void(std::size_t, Fields&)>& element) = 0;
  virtual void on_variant(const Field&, VariantAccess&, bool nullable) = 0;
  virtual void on_variants(const Field&, VariantAccess& sample, std::size_t count,
                           const std::function<void(std::size_t)>& resize,
                           const std::function<std::unique_ptr<VariantAccess>(std::size_t)>& element) = 0;

 private:
  template <class Base>
  struct Access final : VariantAccess {
    explicit Access(Variant<Base>& c) : choice(c) {}
    std::vector<std::pair<std::string, std::string>> names() const override {
      std::vector<std::pair<std::string, std::string>> all;
      for (const auto& [name, entry] : Registry<Base>::entries()) all.emplace_back(name, entry.help);
      return all;
    }
    const std::string& type() const override { return choice.type; }
    void choose(const std::string& name) override { choice.choose(name); }
    void fields_of(const std::string& name, Fields& f) override {
      Registry<Base>::entries().at(name).make()->fields(f);
    }
    void fields(Fields& f) override { choice.settings->fields(f); }
    Variant<Base>& choice;
  };
  Field take(std::string_view key, std::string_view help) {
    return {std::string(key), std::string(help), std::exchange(required_, false)};
  }
  static Limits clip(Limits l) {
    l.low = std::max(l.low, -2147483648.0);
    l.high = std::min(l.high, 2147483647.0);
    return l;
  }
  bool required_ = false;
};

}  // namespace espalier
