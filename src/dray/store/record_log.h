// A log of small numbered objects, each created only if absent: compare-and-set and audit in one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/store/store.h"

namespace dray {

/// The records lie at `prefix` (which ends in '/') + "00000001.json", "00000002.json" … and are
/// never changed. Other keys below the prefix are ignored. Borrows the store.
class RecordLog {
 public:
  /// `what` names the log in errors: "llama@production".
  RecordLog(Store& store, std::string prefix, std::string what);

  /// Numbers of all records, 1 … n. Throws Code::malformed, naming the record, where one is
  /// missing.
  std::vector<std::uint64_t> numbers(const std::stop_token& stop) const;
  /// Text of a record that was listed; Code::not_found (transient) if it is gone.
  std::string read(std::uint64_t number, const std::stop_token& stop) const;
  /// "record 3 of llama@production".
  std::string name_of(std::uint64_t number) const;

  /// Given the number of the last record (0: none yet): the text of the next one, or nullopt to
  /// leave the log as it is. The text must be unlike that of any other writer (hold a random id):
  /// then a record found after a lost answer is known for one's own.
  using Next = std::function<std::optional<std::string>(std::uint64_t last)>;
  /// Appends what `next` gives; asks it again when another writer was faster, so that both are in
  /// the log, one after the other. The number of the new record; nullopt if `next` left it.
  /// Where the store does not exclude races, writers take turns (store/turn.h).
  std::optional<std::uint64_t> append(const Next& next, const std::stop_token& stop);

 private:
  std::string key(std::uint64_t number) const;
  bool create(std::uint64_t number, const std::string& text, const std::stop_token& stop);

  Store& store_;
  const std::string prefix_, what_;
};

struct LastRecord {
  std::string log;  // its folder, relative to the prefix, without '/' at the end
  std::uint64_t number = 0;
  std::chrono::seconds age{0};  // since it was written, by the store's clock
};
/// The last record of each log below `prefix` (which ends in '/'), sorted by log. One listing. Gaps
/// are left to RecordLog to name.
std::vector<LastRecord> last_records(Store& store, const std::string& prefix,
                                     const std::stop_token& stop);

/// "00000012.json".
std::string record_file(std::uint64_t number);
/// 12 for "00000012.json"; nullopt for anything else.
std::optional<std::uint64_t> record_number(std::string_view file);

}  // namespace dray
