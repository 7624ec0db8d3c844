#include "framework/config/writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

class Writer final : public Fields {
 public:
  explicit Writer(Json& object) : object_(object) {
    if (!object_.is_object()) object_ = Json::object();
  }
  void rule(bool, const std::string&) override {}

 protected:
  void on_bool(const Field& f, bool& v) override { object_[f.key] = v; }
  void on_integer(const Field& f, std::int64_t& v, const Limits&) override { object_[f.key] = v; }
  void on_unsigned(const Field& f, std::uint64_t& v) override { object_[f.key] = v; }
  void on_number(const Field& f, double& v, const Limits&) override { object_[f.key] = v; }
  void on_automatic(const Field& f, std::optional<double>& v, const Limits&, bool integer) override {
    object_[f.key] = !v ? Json("auto") : integer ? Json(static_cast<std::int64_t>(*v)) : Json(*v);
  }
  void on_string(const Field& f, std::string& v, const std::vector<std::string>&) override {
    object_[f.key] = v;
  }
  void on_integers(const Field& f, std::vector<int>& v, const Limits&) override { object_[f.key] = v; }
  void on_numbers(const Field& f, std::vector<double>& v, const Limits&) override { object_[f.key] = v; }
  void on_sides(const Field& f, const std::vector<std::int64_t*>& v, const Limits&) override {
    object_[f.key] = side_lengths(v);
  }
  void on_strings(const Field& f, std::vector<std::string>& v) override { object_[f.key] = v; }
  void on_json(const Field& f, std::string& v) override { object_[f.key] = Json::parse(v); }
  void on_object(const Field& f, const Body& body) override { nested(object_[f.key], body); }
  void on_object_or_string(const Field& f, const std::string& member, const Body& body,
                           const Body& fresh) override {
    Json own, usual;
    nested(own, body);
    nested(usual, fresh);
    usual[member] = own[member];
    object_[f.key] = own == usual ? own[member] : own;
  }
  void on_optional_object(const Field& f, bool& present, const Body& body) override {
    if (present)
      nested(object_[f.key], body);
    else
      object_[f.key] = nullptr;
  }
  void on_objects(const Field& f, std::size_t count, const std::function<void(std::size_t)>&,
                  const std::function<void(std::size_t, Fields&)>& element) override {
    Json& list = object_[f.key] = Json::array();
    for (std::size_t i = 0; i < count; ++i)
      nested(list.emplace_back(), [&](Fields& fields) { element(i, fields); });
  }
  void on_variant(const Field& f, VariantAccess& choice, bool) override { variant(object_[f.key], choice); }
  void on_variants(const Field& f, VariantAccess&, std::size_t count, const std::function<void(std::size_t)>&,
                   const std::function<std::unique_ptr<VariantAccess>(std::size_t)>& element) override {
    Json& list = object_[f.key] = Json::array();
    for (std::size_t i = 0; i < count; ++i) variant(list.emplace_back(), *element(i));
  }

 private:
  static void nested(Json& into, const Body& body) {
    Writer inner(into);
    body(inner);
  }
  static void variant(Json& into, VariantAccess& choice) {
    if (choice.type().empty()) return void(into = nullptr);
    into = Json{{choice.tag(), choice.type()}};
    Writer inner(into);
    choice.fields(inner);
  }
  static Json side_lengths(const std::vector<std::int64_t*>& v) {
    Json all = Json::array();
    for (const std::int64_t* side : v) all.push_back(*side);
    return std::all_of(all.begin(), all.end(), [&](const Json& side) { return side == all[0]; }) ? all[0]
                                                                                                 : all;
  }
  Json& object_;
};

}  // namespace

std::string one_line(const std::string& json) { return Json::parse(json).dump(); }

std::string write_fields(const std::function<void(Fields&)>& fn) {
  Json json = Json::object();
  Writer writer(json);
  fn(writer);
  return json.dump(2);
}

}  // namespace espalier
