// A value that must not be shown.
#pragma once

#include <string>

namespace dray {

/// Holds a credential. It cannot be printed, formatted or compared by accident, and is wiped when
/// it goes away; only `reveal()` gives the text, to be used where a request is signed or sent.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value);
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();
  bool empty() const { return value_.empty(); }
  const std::string& reveal() const { return value_; }

 private:
  std::string value_;
};

}  // namespace dray
