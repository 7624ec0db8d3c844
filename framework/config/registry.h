// registry.h: name -> factory of a polymorphic settings object. `{"type": "cifar10", ...}` in a config names
// an entry; the other keys are the fields of the object made. Adding a kind is one .cpp file that ends in
//   const bool known = Registry<DataSettings>::add<Cifar10Settings>("cifar10", "CIFAR-10 binary files");
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "framework/core/check.h"

namespace espalier {

template <class Base>
class Registry {
 public:
  struct Entry {
    std::function<std::unique_ptr<Base>()> make;
    std::string help;
  };
  template <class Derived>
  static bool add(const std::string& name, const std::string& help) {
    const bool fresh =
        entries().emplace(name, Entry{[] { return std::make_unique<Derived>(); }, help}).second;
    require(fresh, "[registry] '{}' is registered twice", name);
    return fresh;
  }
  /// All entries, by name. Sorted, so that messages and the schema do not depend on link order.
  static std::map<std::string, Entry>& entries() {
    static std::map<std::string, Entry> all;
    return all;
  }
};

}  // namespace espalier
