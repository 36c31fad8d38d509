// Small objects with create-if-absent: where manifests, aliases, journals and claims live.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

struct StateItem {
  std::string key;
  std::uint64_t size = 0;
  /// Since it was last written, by the store's own clock, so that writers with wrong clocks agree.
  std::chrono::seconds age{0};
};

/// Thread-safe. Reads see every write that returned before them (all supported stores are strongly
/// consistent). Requests are retried inside (they are small and idempotent or settled by reading
/// back).
class StateStore {
 public:
  virtual ~StateStore() = default;
  /// At most 64 MiB.
  virtual std::optional<std::string> get(const std::string& key, const std::stop_token& stop) = 0;
  /// True if this call made the object; false if one was there (even an equal one). Where the
  /// endpoint is not proved to honour conditional writes it checks before and reads back after,
  /// which detects but cannot prevent a race.
  virtual bool create_if_absent(const std::string& key, std::string_view content,
                                const std::stop_token& stop) = 0;
  virtual void put(const std::string& key, std::string_view content,
                   const std::stop_token& stop) = 0;
  /// All keys that begin with `prefix`, sorted.
  virtual std::vector<StateItem> list(const std::string& prefix, const std::stop_token& stop) = 0;
  /// Absent is success.
  virtual void remove(const std::string& key, const std::stop_token& stop) = 0;
};

}  // namespace dray
