// What the conformance suite of stores (tests/component/store_suite_test.cc) needs of each store
// that it runs on.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "dray/store/store.h"

namespace dray::test {

/// A place, empty for each test, and stores on it.
class StorePlace {
 public:
  virtual ~StorePlace() = default;
  /// A new store object on the place, as another process would make it.
  virtual std::unique_ptr<Store> open() = 0;
  /// Writes an object behind the stores' back.
  virtual void plant(const std::string& key, const std::string& content) = 0;
  /// Replaces a part that an unfinished upload holds by other bytes of the same size; false if the
  /// place cannot.
  virtual bool spoil_part(const std::string& key, const std::string& id, const PutPart& part) = 0;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StorePlace>()> make;
  /// Of racing creates exactly one wins; else a race may be noticed only afterwards.
  bool exclusive = true;
  friend void PrintTo(const StoreKind& kind, std::ostream* out) { *out << kind.name; }
};

}  // namespace dray::test
