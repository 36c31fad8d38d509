#include "dray/cli/import_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "dray/base/json.h"
#include "dray/cli/compression.h"
#include "dray/cli/report.h"
#include "dray/cli/text.h"

namespace dray::cli {

namespace {

std::string from_text(const PlannedFile& file) {
  if (!file.detail.empty()) return file.detail;
  switch (file.from) {
    case PlannedFile::From::source:
      return "source";
    case PlannedFile::From::quantized:
      return "quantized";
    case PlannedFile::From::written:
      return "written anew";
    case PlannedFile::From::store_copy:
    case PlannedFile::From::twin:
      return "copied in the store";
    case PlannedFile::From::present:
      return "already there";
  }
  return "";
}

std::string_view from_name(PlannedFile::From from) {
  switch (from) {
    case PlannedFile::From::source:
      return "source";
    case PlannedFile::From::quantized:
      return "quantized";
    case PlannedFile::From::written:
      return "written";
    case PlannedFile::From::store_copy:
    case PlannedFile::From::twin:
      return "store";
    case PlannedFile::From::present:
      return "present";
  }
  return "";
}

std::uint64_t total_of(const ImportPlan& plan) {
  std::uint64_t total = 0;
  for (const auto& file : plan.files) total += file.entry.size;
  return total;
}

std::string architecture_text(const HfConfig& config) {
  std::vector<std::string> parts;
  for (const auto& part : {config.architecture, config.dtype, config.quantization})
    if (!part.empty()) parts.push_back(part);
  if (config.max_position_embeddings)
    parts.push_back(fmt::format("{} tokens of context", *config.max_position_embeddings));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// "12 GiB of 16 GiB, 9 files".
std::string to_fetch_text(const ImportPlan& plan) {
  const std::uint64_t total = total_of(plan);
  const std::string files = count_of(plan.files.size(), "file");
  if (plan.bytes_to_fetch > total)
    return fmt::format("{} in two passes, {}", human_size(plan.bytes_to_fetch), files);
  return fmt::format("{} of {}, {}", human_size(plan.bytes_to_fetch), human_size(total), files);
}

/// How long fetching takes at the rate limit, or at a full gigabit.
std::string time_text(const ImportPlan& plan, const ImportRequest& request) {
  if (plan.bytes_to_fetch == 0) return "";
  const std::uint64_t limit = request.transfer.limit_rate;
  const std::uint64_t rate = limit > 0 ? limit : 119 * kMiB;
  const std::chrono::milliseconds time(static_cast<std::int64_t>(
      static_cast<double>(plan.bytes_to_fetch) / static_cast<double>(rate) * 1000));
  return fmt::format("{} at {}/s ({})", human_duration(time), human_size(rate),
                     limit > 0 ? "--limit-rate" : "a gigabit link");
}

Json copied_from(const ImportPlan& plan) {
  if (!plan.copied) return nullptr;
  return {
      {"store", plan.copied_store}, {"name", plan.copied->name}, {"version", plan.copied->version}};
}

Json plan_json(const ImportPlan& plan) {
  Json files = Json::array();
  for (const auto& file : plan.files)
    files.push_back({{"path", file.entry.path},
                     {"size", file.entry.size},
                     {"stored_size", file.size},
                     {"sha256", file.entry.digests.sha256},
                     {"git_sha1", file.entry.digests.git_sha1},
                     {"from", from_name(file.from)},
                     {"detail", file.detail}});
  Json left_out = Json::array();
  for (const auto& entry : plan.choice.left_out)
    left_out.push_back({{"why", entry.why}, {"paths", entry.paths}, {"bytes", entry.bytes}});
  const auto optional = [](const std::optional<std::uint64_t>& n) { return n ? Json(*n) : Json(); };
  return {{"name", plan.name},
          {"version", plan.version},
          {"uri", plan.uri},
          {"commit", plan.snapshot.origin.commit},
          {"root_digest", plan.existing ? Json(plan.existing->root_digest) : Json()},
          {"changed", false},
          {"dry_run", true},
          {"would_change", !plan.existing.has_value()},
          {"source", plan.snapshot.origin.uri},
          {"revision", plan.snapshot.origin.revision},
          {"copied_from", copied_from(plan)},
          {"files", std::move(files)},
          {"bytes", total_of(plan)},
          {"bytes_to_fetch", plan.bytes_to_fetch},
          {"bytes_to_store", plan.bytes_to_store},
          {"bytes_stored_again", plan.bytes_stored_again},
          {"compress", plan.compression ? compression_json(*plan.compression) : Json()},
          {"bytes_shared_at_most", plan.bytes_shared_at_most},
          {"left_out", std::move(left_out)},
          {"problems", plan.choice.problems},
          {"weights", plan.choice.weights},
          {"base_model", plan.choice.base_model.empty() ? Json() : Json(plan.choice.base_model)},
          {"estimate",
           {{"gpu_bytes", plan.gpu_bytes == 0 ? Json() : Json(plan.gpu_bytes)},
            {"architecture", plan.config.architecture},
            {"dtype", plan.config.dtype},
            {"quantization", plan.config.quantization},
            {"context", optional(plan.config.max_position_embeddings)}}},
          {"license", plan.snapshot.info.license},
          {"gated", plan.snapshot.info.gated}};
}

}  // namespace

std::string estimate_text(const ImportPlan& plan, const ImportRequest& request) {
  const ModelInfo& info = plan.snapshot.info;
  std::vector<std::string> parts = {fmt::format("{} to fetch", to_fetch_text(plan))};
  if (const std::string time = time_text(plan, request); !time.empty())
    parts.push_back("about " + time);
  if (plan.gpu_bytes > 0)
    parts.push_back(fmt::format("some {} of GPU memory to serve it", human_size(plan.gpu_bytes)));
  parts.push_back("licence " + (info.license.empty() ? "not stated" : info.license));
  if (info.gated) parts.emplace_back("gated");
  if (!plan.choice.base_model.empty()) parts.push_back("adapter of " + plan.choice.base_model);
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string left_out_text(const LeftOut& left_out) {
  std::string paths = left_out.paths.empty() ? "" : left_out.paths.front();
  if (left_out.paths.size() > 1) paths += fmt::format(" and {} more", left_out.paths.size() - 1);
  return fmt::format("{}: {} ({})", left_out.why, paths, human_size(left_out.bytes));
}

void print_plan(Output& out, const ImportPlan& plan, const ImportRequest& request, bool all) {
  out.json(plan_json(plan));
  const std::string reference = fmt::format("{}:{}", plan.name, plan.version);
  if (out.is_quiet()) {
    out.line(reference);
    return;
  }
  const Origin& origin = plan.snapshot.origin;
  out.line(fmt::format("{} {} {}", printable(origin_text(origin)),
                       plan.existing ? "is already there as" : "would become",
                       out.strong(reference)));
  const ModelInfo& info = plan.snapshot.info;
  print_facts(out,
              {{"where", plan.uri},
               {"copied from", plan.copied ? request.source->name() : ""},
               {"commit", origin.commit},
               {"compressed", plan.compression ? compression_text(*plan.compression) : ""},
               {"as they are", plan.compression ? kept_text(*plan.compression) : ""},
               {"to fetch", to_fetch_text(plan)},
               {"to send", plan.bytes_shared_at_most == 0
                               ? ""
                               : fmt::format("{} at most, less what an earlier version has",
                                             human_size(plan.bytes_to_fetch))},
               {"in layers", plan.bytes_stored_again == 0
                                 ? ""
                                 : fmt::format("{} more, read back from the registry",
                                               human_size(plan.bytes_stored_again))},
               {"time", time_text(plan, request)},
               {"GPU memory",
                plan.gpu_bytes == 0 ? "" : human_size(plan.gpu_bytes) + " to serve it (estimate)"},
               {"model", architecture_text(plan.config)},
               {"base model", plan.choice.base_model},
               {"licence", info.license.empty() ? "not stated" : info.license},
               {"access", info.gated ? "gated: the publisher grants it" : ""}});
  std::vector<FileRow> rows;
  for (const auto& file : plan.files)
    rows.push_back({file.size, {file.entry.path, human_size(file.size), from_text(file)}});
  out.line("");
  print_files(out, {{"FILE", false, true}, {"SIZE", true}, {"FROM"}}, std::move(rows), all);
  if (!plan.choice.left_out.empty()) out.line("\nLeft out:");
  for (const auto& entry : plan.choice.left_out) out.line("  " + printable(left_out_text(entry)));
  if (!plan.choice.problems.empty()) out.line("\nA server may not load it:");
  for (const auto& problem : plan.choice.problems) out.line("  " + printable(problem));
  if (plan.compression && !plan.compression->advice.empty())
    out.line("\nWhat vLLM and transformers will not like about it:");
  if (plan.compression)
    for (const auto& advice : plan.compression->advice) out.line("  " + printable(advice));
  out.note("");
  out.note("Nothing was done; without --dry-run it is.");
}

}  // namespace dray::cli
