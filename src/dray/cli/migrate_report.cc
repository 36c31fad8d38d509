#include "dray/cli/migrate_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/cli/text.h"

namespace dray::cli {

namespace {

Json version_json(const VersionReport& report) {
  const MigrateItem& item = report.item;
  Json out = {{"model", item.model},
              {"version", item.version},
              {"name", item.name},
              {"release_version", item.release_version},
              {"from", item.uri},
              {"to", item.target},
              {"result", report.result},
              {"bytes", item.bytes ? Json(*item.bytes) : Json(report.done.bytes)},
              {"bytes_copied", report.done.bytes_copied},
              {"root_digest", report.done.root_digest},
              {"changed", report.done.changed},
              {"reason", item.reason.empty() ? Json() : Json(item.reason)},
              {"hint", item.hint.empty() ? Json() : Json(item.hint)},
              {"services", report.services}};
  out["error"] = report.error ? error_json(*report.error).at("error") : Json();
  if (report.source)
    out["source"] = {{"deleted", report.source->deleted}, {"what", report.source->what}};
  return out;
}

std::uint64_t bytes_of(const VersionReport& report) {
  return report.item.bytes.value_or(report.done.bytes);
}

/// "copied 18, already there 2", and as numbers.
std::map<std::string, std::uint64_t> count_results(const std::vector<VersionReport>& reports) {
  std::map<std::string, std::uint64_t> out;
  for (const VersionReport& report : reports) ++out[report.result];
  return out;
}

std::string counted(const std::vector<VersionReport>& reports) {
  std::vector<std::string> parts;
  for (const auto& [result, count] : count_results(reports))
    parts.push_back(fmt::format("{} {}", count, result));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void print_table(Output& out, const std::vector<VersionReport>& reports) {
  Table table{{{"VERSION", false, true}, {"RESULT"}, {"SIZE", true}, {"WHERE", false, true}}, {}};
  for (const VersionReport& report : reports) {
    const bool moves = !report.error && report.item.action != MigrateAction::skip;
    const std::uint64_t bytes = bytes_of(report);
    table.rows.push_back({report.item.text(), report.result, bytes == 0 ? "" : human_size(bytes),
                          moves ? report.item.target : report.item.uri});
  }
  out.table(table);
}

/// Why, below the table.
void print_reasons(Output& out, const std::vector<VersionReport>& reports) {
  for (const VersionReport& report : reports) {
    const std::string& reason =
        report.error ? std::string(report.error->what()) : report.item.reason;
    const std::string& hint = report.error ? report.error->hint() : report.item.hint;
    if (!reason.empty())
      out.line(printable(
          fmt::format("{}: {}{}{}", report.item.text(), reason, hint.empty() ? "" : "; ", hint)));
    if (report.source)
      out.line(printable(fmt::format(
          "{}: {} {}", report.item.text(),
          report.source->deleted ? "deleted at the old place:" : "the old place is left:",
          report.source->what)));
    if (!report.services.empty())
      out.line(printable(fmt::format("{}: deployed with the old place: {}", report.item.text(),
                                     fmt::join(report.services, ", "))));
  }
}

Json summary_json(const MigrationHead& head, const std::vector<VersionReport>& reports,
                  bool dry_run) {
  Json results = Json::object();
  for (const auto& [result, count] : count_results(reports)) results[result] = count;
  std::uint64_t bytes = 0, copied = 0;
  bool changed = false;
  for (const VersionReport& report : reports) {
    bytes += bytes_of(report);
    copied += report.done.bytes_copied;
    changed = changed || report.done.changed || (report.source && report.source->deleted);
  }
  return {{"registry", {{"address", head.registry}}},
          {"from", head.from},
          {"to", head.to},
          {"rollback", head.rollback},
          {"versions", reports.size()},
          {"results", std::move(results)},
          {"bytes", bytes},
          {"bytes_copied", copied},
          {"dry_run", dry_run},
          {"changed", changed}};
}

}  // namespace

VersionReport skipped(const MigrateItem& item) {
  VersionReport report{.item = item, .result = "skipped"};
  if (!item.failure) return report;
  report.result = *item.failure == Code::precondition ? "changed" : "refused";
  report.error = Error(*item.failure, item.reason).on("migrate", item.text()).hint(item.hint);
  return report;
}

VersionReport failed(const MigrateItem& item, const Error& error) {
  return {.item = item,
          .result = error.code() == Code::precondition ? "changed" : "failed",
          .error = error};
}

void tell_version(Output& out, const VersionReport& report) { out.json(version_json(report)); }

void tell_all(Output& out, const MigrationHead& head, const std::vector<VersionReport>& reports) {
  if (!reports.empty() && !out.is_quiet()) {
    print_table(out, reports);
    print_reasons(out, reports);
    out.line("");
  }
  out.line(reports.empty()
               ? fmt::format("no entry of {} lies below {}", printable(head.registry),
                             head.rollback ? head.to : head.from)
               : fmt::format("{}: {}", count_of(reports.size(), "version"), counted(reports)));
  out.json(summary_json(head, reports, false));
}

void tell_plan(Output& out, const MigrationHead& head, const std::vector<VersionReport>& plan) {
  for (const VersionReport& report : plan) tell_version(out, report);
  if (!plan.empty() && !out.is_quiet()) {
    print_table(out, plan);
    print_reasons(out, plan);
    out.line("");
  }
  std::uint64_t bytes = 0;
  for (const VersionReport& report : plan)
    if (report.item.action == MigrateAction::copy && !report.error) bytes += bytes_of(report);
  out.line(fmt::format("{}: {}; {} to copy", count_of(plan.size(), "version"), counted(plan),
                       human_size(bytes)));
  out.json(summary_json(head, plan, true));
  out.note("Nothing was done; without --dry-run it is.");
}

void throw_if_failed(const std::vector<VersionReport>& reports, const std::string& again) {
  const auto wrong = [](const VersionReport& report) { return report.error.has_value(); };
  const auto count = static_cast<std::uint64_t>(std::ranges::count_if(reports, wrong));
  if (count == 0) return;
  const Error& first = *std::ranges::find_if(reports, wrong)->error;
  const bool alike = std::ranges::all_of(reports, [&](const VersionReport& report) {
    return report.error && report.error->code() == first.code();
  });
  const std::string hint =
      fmt::format("the others are done; the same command goes on with these: {}", again);
  if (alike && count == 1) throw Error(first);
  throw Error(alike ? first.code() : Code::partial,
              fmt::format("{} of {} failed", count, count_of(reports.size(), "version")))
      .because(first)
      .hint(alike ? first.hint() : hint);
}

}  // namespace dray::cli
