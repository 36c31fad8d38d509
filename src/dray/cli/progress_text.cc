#include "dray/cli/progress_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/cli/text.h"

namespace dray::cli {

using std::chrono::milliseconds;
using std::chrono::seconds;

void RateMeter::add(SteadyTime now, std::uint64_t bytes) {
  samples_.emplace_back(now, bytes);
  while (samples_.size() > 2 && now - samples_.front().first > seconds(10)) samples_.pop_front();
}

std::optional<double> RateMeter::rate() const {
  if (samples_.size() < 2) return std::nullopt;
  const auto& [t0, b0] = samples_.front();
  const auto& [t1, b1] = samples_.back();
  const double passed = std::chrono::duration<double>(t1 - t0).count();
  if (passed < 0.5 || b1 < b0) return std::nullopt;
  return static_cast<double>(b1 - b0) / passed;
}

namespace {

std::string human_rate(double bytes_per_second) {
  return human_size(static_cast<std::uint64_t>(bytes_per_second)) + "/s";
}

/// Work that has been done by moving or reading bytes: what came for free would make the rate lie.
std::uint64_t worked(const ProgressView& view) {
  return view.fetched > 0 ? view.fetched : view.verified - std::min(view.verified, view.reused);
}

double share_of(std::uint64_t done, std::uint64_t size) {
  return size == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(size));
}

/// The parts behind the percentage, most wanted first.
std::vector<std::string> facts(const ProgressView& view, std::optional<double> rate,
                               std::optional<seconds> left) {
  std::vector<std::string> parts;
  parts.push_back(fmt::format("{} of {}", human_size(view.verified), human_size(view.total_bytes)));
  if (rate) parts.push_back(human_rate(*rate));
  if (left) parts.push_back(clock_duration(*left) + " left");
  parts.push_back(fmt::format("{} of {}", view.files_done, count_of(view.total_files, "file")));
  if (view.retries > 0)
    parts.push_back(fmt::format("{} {}", view.retries, view.retries == 1 ? "retry" : "retries"));
  if (view.reused > 0) parts.push_back(human_size(view.reused) + " reused");
  return parts;
}

}  // namespace

void ProgressText::sample(const ProgressView& view, SteadyTime now) {
  meter_.add(now, worked(view));
}

std::optional<int> ProgressText::percent(const ProgressView& view) {
  if (view.total_bytes == 0) return std::nullopt;
  // 100 only when it is true.
  return static_cast<int>(std::floor(100 * share_of(view.verified, view.total_bytes)));
}

std::optional<seconds> ProgressText::left(const ProgressView& view) const {
  const auto rate = meter_.rate();
  if (!rate || *rate < 1 || view.total_bytes <= view.verified) return std::nullopt;
  const double s = static_cast<double>(view.total_bytes - view.verified) / *rate;
  if (s > 1e7) return std::nullopt;
  return seconds(static_cast<long>(std::ceil(s)));
}

std::string ProgressText::line(const ProgressView& view) const {
  std::string out = subject_ + ": ";
  if (view.phase != "transferring" || view.total_bytes == 0) out += view.phase + ", ";
  if (const auto p = percent(view)) {
    out += fmt::format("{} %, {}", *p, fmt::join(facts(view, meter_.rate(), left(view)), ", "));
  } else {
    out += fmt::format("{} so far", human_duration(view.elapsed));
  }
  if (!view.waiting.empty()) out += "; " + view.waiting;
  return printable(out);
}

std::string ProgressText::bar(double share, std::size_t cells) const {
  const auto full = static_cast<std::size_t>(std::floor(share * static_cast<double>(cells)));
  std::string out = unicode_ ? "" : "[";
  for (std::size_t i = 0; i < cells; ++i)
    out += i < full ? (unicode_ ? "█" : "=") : (unicode_ ? "░" : " ");
  return out + (unicode_ ? "" : "]");
}

std::vector<std::string> ProgressText::block(const ProgressView& view, std::size_t width,
                                             std::size_t most_files) const {
  std::vector<std::string> lines;
  std::string total = printable(subject_);
  const auto p = percent(view);
  if (view.phase != "transferring" || !p) total += "  " + view.phase;
  if (p) {
    total += fmt::format("  {:>3} %", *p);
    // Of a size that stays the same from one drawing to the next; the least wanted facts make room.
    const std::size_t cells = width >= 120 ? 20 : width >= 70 ? 10 : 0;
    if (cells > 0) total += "  " + bar(share_of(view.verified, view.total_bytes), cells);
    for (const auto& part : facts(view, meter_.rate(), left(view)))
      if (display_width(total) + 2 + display_width(part) <= width) total += "  " + part;
  } else {
    total += "  " + clock_duration(std::chrono::duration_cast<seconds>(view.elapsed));
  }
  lines.push_back(fit(total, width));
  if (!view.waiting.empty()) lines.push_back(fit("  " + printable(view.waiting), width));
  std::size_t name_width = 0;
  const std::size_t shown = std::min(most_files, view.active.size());
  for (std::size_t i = 0; i < shown; ++i)
    name_width = std::max(name_width, display_width(printable(view.active[i].path)));
  name_width = std::min(name_width, width > 44 ? width - 34 : 10);
  for (std::size_t i = 0; i < shown; ++i) {
    const FileProgress& file = view.active[i];
    lines.push_back(fit(
        fmt::format("  {}  {:>3} %  of {}",
                    pad(fit_middle(printable(file.path), name_width), name_width),
                    static_cast<int>(100 * share_of(file.done, file.size)), human_size(file.size)),
        width));
  }
  if (view.active.size() > shown && shown > 0)
    lines.push_back(fit(fmt::format("  and {} more", view.active.size() - shown), width));
  return lines;
}

std::string ProgressText::file_line(const FileProgress& file) const {
  return printable(
      fmt::format("{}: {} is complete, {}", subject_, file.path, human_size(file.size)));
}

nlohmann::json ProgressText::json(const ProgressView& view, const std::string& type,
                                  const std::string& ts) const {
  Json files = Json::array();
  for (const auto& file : view.active)
    files.push_back({{"path", file.path}, {"done", file.done}, {"size", file.size}});
  const auto rate = meter_.rate();
  const auto eta = left(view);
  const auto s = [](milliseconds time) { return static_cast<double>(time.count()) / 1000; };
  return Json{{"type", type},
              {"schema", 1},
              {"ts", ts},
              {"subject", subject_},
              {"phase", view.phase},
              {"bytes_done", view.verified},
              {"bytes_total", view.total_bytes},
              {"bytes_fetched", view.fetched},
              {"bytes_stored", view.stored},
              {"bytes_reused", view.reused},
              {"files_done", view.files_done},
              {"files_total", view.total_files},
              {"retries", view.retries},
              {"bytes_per_second", rate ? Json(static_cast<std::uint64_t>(*rate)) : Json()},
              {"seconds_left", eta ? Json(eta->count()) : Json()},
              {"seconds_elapsed", s(view.elapsed)},
              {"waiting", view.waiting},
              {"files", std::move(files)}};
}

}  // namespace dray::cli
