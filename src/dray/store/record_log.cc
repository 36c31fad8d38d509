#include "dray/store/record_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "dray/base/error.h"
#include "dray/store/turn.h"

namespace dray {

namespace {

constexpr int kRaces = 1000;  // records by others in a row before we give up
constexpr int kLost = 3;      // answers lost in a row

}  // namespace

std::string record_file(std::uint64_t number) { return fmt::format("{:08}.json", number); }

std::optional<std::uint64_t> record_number(std::string_view file) {
  const auto number = parse_u64(file.substr(0, file.find('.')));
  if (!number || *number == 0 || record_file(*number) != file) return std::nullopt;
  return number;
}

RecordLog::RecordLog(Store& store, std::string prefix, std::string what)
    : store_(store), prefix_(std::move(prefix)), what_(std::move(what)) {}

std::string RecordLog::key(std::uint64_t number) const { return prefix_ + record_file(number); }

std::string RecordLog::name_of(std::uint64_t number) const {
  return fmt::format("record {} of {}", number, what_);
}

std::vector<std::uint64_t> RecordLog::numbers(const std::stop_token& stop) const {
  std::vector<std::uint64_t> out;
  for (const auto& item : store_.state().list(prefix_, stop))
    if (const auto number = record_number(std::string_view(item.key).substr(prefix_.size())))
      out.push_back(*number);
  std::sort(out.begin(), out.end());
  for (std::size_t i = 0; i < out.size(); ++i)
    if (out[i] != i + 1)
      throw Error(Code::malformed, fmt::format("record {} is missing from its log", i + 1))
          .on("read", what_)
          .hint(fmt::format("restore {} from a backup of the store", key(i + 1)));
  return out;
}

std::string RecordLog::read(std::uint64_t number, const std::stop_token& stop) const {
  auto text = store_.state().get(key(number), stop);
  if (!text)
    throw Error(Code::not_found, "it was removed meanwhile")
        .on("read", name_of(number))
        .transient();
  return *std::move(text);
}

bool RecordLog::create(std::uint64_t number, const std::string& text, const std::stop_token& stop) {
  for (int lost = 0;; ++lost) {
    try {
      return store_.state().create_if_absent(key(number), text, stop);
    } catch (const Error& error) {
      if (error.retry() != Retry::ambiguous || lost >= kLost) throw;
    }
    // It may have been carried out: what is there decides.
    if (const auto there = store_.state().get(key(number), stop)) return *there == text;
  }
}

std::optional<std::uint64_t> RecordLog::append(const Next& next, const std::stop_token& stop) {
  for (int i = 0; i < kRaces; ++i) {
    const Turn turn(store_, prefix_, what_, stop);
    const auto there = numbers(stop);
    const std::uint64_t last = there.empty() ? 0 : there.back();
    const auto text = next(last);
    if (!text) return std::nullopt;
    turn.check();
    if (create(last + 1, *text, stop)) return last + 1;
  }
  throw Error(Code::conflict, "others keep writing it")
      .on("append to", what_)
      .from(Side::destination)
      .transient();
}

std::vector<LastRecord> last_records(Store& store, const std::string& prefix,
                                     const std::stop_token& stop) {
  std::map<std::string, LastRecord> last;
  for (const auto& item : store.state().list(prefix, stop)) {
    const std::string_view rest = std::string_view(item.key).substr(prefix.size());
    const std::size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos) continue;
    const auto number = record_number(rest.substr(slash + 1));
    if (!number) continue;
    LastRecord& record = last[std::string(rest.substr(0, slash))];
    if (*number > record.number) record = {std::string(rest.substr(0, slash)), *number, item.age};
  }
  std::vector<LastRecord> out;
  for (auto& [log, record] : last) out.push_back(std::move(record));
  return out;
}

}  // namespace dray
