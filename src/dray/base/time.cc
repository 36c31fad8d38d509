#include "dray/base/time.h"

#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <mutex>

#include "dray/base/error.h"

namespace dray {

namespace {

namespace chr = std::chrono;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Civil {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0, weekday = 0;
};

Civil civil(UnixTime time) {
  const chr::sys_seconds seconds{chr::seconds(time)};
  const auto days = chr::floor<chr::days>(seconds);
  const chr::year_month_day date(days);
  const auto rest = static_cast<unsigned>((seconds - days).count());
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          rest / 3600,
          rest / 60 % 60,
          rest % 60,
          chr::weekday(days).c_encoding()};
}

std::optional<UnixTime> unix_of(const Civil& c) {
  const chr::year_month_day date(chr::year(c.year), chr::month(c.month), chr::day(c.day));
  // 60 is a leap second; it counts as the first of the next minute.
  if (!date.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  const auto days = chr::sys_days(date).time_since_epoch();
  return chr::seconds(days).count() + c.hour * 3600 + c.minute * 60 + c.second;
}

/// Takes text apart from the left; once something does not fit, all further steps fail.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  unsigned number(std::size_t digits) {
    unsigned value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!ok_ || rest_.empty() || rest_[0] < '0' || rest_[0] > '9') {
        ok_ = false;
        return 0;
      }
      value = value * 10 + static_cast<unsigned>(rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }
  void expect(std::string_view text) {
    if (!accept(text)) ok_ = false;
  }
  bool accept(std::string_view text) {
    if (!ok_ || !rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  template <std::size_t N>
  unsigned one_of(const std::array<std::string_view, N>& names) {
    for (unsigned i = 0; i < N; ++i)
      if (accept(names[i])) return i;
    ok_ = false;
    return 0;
  }
  void skip_digits() {
    number(1);
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') rest_.remove_prefix(1);
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void scan_clock(Scanner& in, Civil& c) {
  c.hour = in.number(2);
  in.expect(":");
  c.minute = in.number(2);
  in.expect(":");
  c.second = in.number(2);
}

}  // namespace

UnixTime unix_now() {
  return chr::duration_cast<chr::seconds>(chr::system_clock::now().time_since_epoch()).count();
}

std::string rfc3339(UnixTime time) {
  const Civil c = civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour,
                     c.minute, c.second);
}

std::optional<UnixTime> parse_rfc3339(std::string_view text) {
  Scanner in(text);
  Civil c;
  c.year = static_cast<int>(in.number(4));
  in.expect("-");
  c.month = in.number(2);
  in.expect("-");
  c.day = in.number(2);
  if (!in.accept("t") && !in.accept(" ")) in.expect("T");
  scan_clock(in, c);
  if (in.accept(".")) in.skip_digits();
  std::int64_t offset = 0;
  if (!in.accept("Z") && !in.accept("z")) {
    const int sign = in.accept("-") ? -1 : 1;
    if (sign == 1) in.expect("+");
    const unsigned hours = in.number(2);
    in.expect(":");
    const unsigned minutes = in.number(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    offset = sign * static_cast<std::int64_t>(hours * 3600 + minutes * 60);
  }
  if (!in.done()) return std::nullopt;
  const auto local = unix_of(c);
  if (!local) return std::nullopt;
  return *local - offset;
}

std::string http_date(UnixTime time) {
  const Civil c = civil(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[c.weekday], c.day,
                     kMonths[c.month - 1], c.year, c.hour, c.minute, c.second);
}

std::optional<UnixTime> parse_http_date(std::string_view text) {
  Scanner in(text);
  Civil c;
  in.one_of(kDays);
  in.expect(", ");
  c.day = in.number(2);
  in.expect(" ");
  c.month = in.one_of(kMonths) + 1;
  in.expect(" ");
  c.year = static_cast<int>(in.number(4));
  in.expect(" ");
  scan_clock(in, c);
  in.expect(" GMT");
  if (!in.done()) return std::nullopt;
  return unix_of(c);
}

bool wait_for(std::stop_token stop, std::chrono::milliseconds duration) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(Code::cancelled, "stopped");
}

}  // namespace dray
