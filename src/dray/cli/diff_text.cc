#include "dray/cli/diff_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/cli/report.h"

namespace dray::cli {

namespace {

constexpr std::size_t kMostShown = 40;  // of one kind
constexpr std::size_t kLongestValue = 60;

using Kind = FileDifference::Kind;

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::added:
      return "added";
    case Kind::removed:
      return "removed";
    case Kind::changed:
      return "changed";
    case Kind::renamed:
      return "renamed";
  }
  return "";
}

std::string form_text(const TensorForm& form) {
  return fmt::format("{} [{}]", form.dtype, fmt::join(form.shape, ", "));
}

Json form_json(const std::optional<TensorForm>& form) {
  if (!form) return {};
  return {{"dtype", form->dtype}, {"shape", form->shape}};
}

Json dtypes_json(const std::map<std::string, DtypeTotal>& dtypes) {
  Json out = Json::object();
  for (const auto& [dtype, total] : dtypes)
    out[dtype] = {{"tensors", total.tensors}, {"elements", total.elements}};
  return out;
}

Json number_json(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

/// A mark in colour: what came, went or changed.
std::string mark(Output& out, bool before, bool after) {
  return before && after ? out.careful("~") : after ? out.good("+") : out.bad("-");
}

/// "before → after", or the one that is there.
std::string change_text(const std::string& before, const std::string& after) {
  const auto shown = [](const std::string& text) { return fit(printable(text), kLongestValue); };
  if (before.empty() || after.empty()) return shown(before.empty() ? after : before);
  return fmt::format("{} → {}", shown(before), shown(after));
}

/// At most kMostShown lines below a headline, unless all are wanted.
void print_list(Output& out, const std::string& title, std::size_t count, bool all,
                const std::function<std::string(std::size_t)>& line) {
  if (count == 0) return;
  out.line("");
  out.line(out.strong(title));
  const std::size_t shown = all ? count : std::min(count, kMostShown);
  for (std::size_t i = 0; i < shown; ++i) out.line(line(i));
  if (shown < count) out.line(fmt::format("  … and {} more; --all shows them", count - shown));
}

std::string file_line(Output& out, const FileDifference& file) {
  const bool before = file.kind != Kind::added, after = file.kind != Kind::removed;
  if (file.kind == Kind::renamed)
    return fmt::format("{} {} → {}  {}", out.careful(">"), printable(file.old_path),
                       printable(file.path), human_size(file.size));
  return fmt::format(
      "{} {}  {}", mark(out, before, after), printable(file.path),
      change_text(before ? human_size(file.old_size) : "", after ? human_size(file.size) : ""));
}

/// "291 tensors, 8,030 M elements of BF16".
std::string dtypes_text(const std::map<std::string, DtypeTotal>& dtypes) {
  std::vector<std::string> parts;
  for (const auto& [dtype, total] : dtypes)
    parts.push_back(fmt::format("{} {} ({})", dtype, count_of(total.tensors, "tensor"),
                                count_of(total.elements, "element")));
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string metric_line(const MetricDifference& metric) {
  if (!metric.before || !metric.after)
    return fmt::format("{} {}  {}", metric.after ? "+" : "-", printable(metric.name),
                       metric.after ? *metric.after : *metric.before);
  return fmt::format("{} {}  {} → {} ({:+.4g})", *metric.before == *metric.after ? "=" : "~",
                     printable(metric.name), *metric.before, *metric.after,
                     *metric.after - *metric.before);
}

void print_head(Output& out, const Manifest& before, const Manifest& after) {
  const auto both = [](const std::string& a, const std::string& b) {
    return a == b ? a : fmt::format("{} → {}", a, b);
  };
  const auto size = [](const Manifest& manifest) {
    return fmt::format("{} in {}", human_size(manifest.total_bytes()),
                       count_of(manifest.files.size(), "file"));
  };
  out.line(out.strong(
      fmt::format("{}:{} → {}:{}", before.name, before.version, after.name, after.version)));
  print_facts(
      out, {{"source", both(origin_text(before.origin), origin_text(after.origin))},
            {"commit", both(before.origin.commit.substr(0, 12), after.origin.commit.substr(0, 12))},
            {"size", both(size(before), size(after))},
            {"licence", both(before.info.license, after.info.license)}});
}

}  // namespace

void print_difference(Output& out, const Manifest& before, const Manifest& after,
                      const ReleaseDifference& difference, bool all) {
  print_head(out, before, after);
  if (difference.same_content) out.line("  same content");
  print_list(out, "Files", difference.files.size(), all,
             [&](std::size_t i) { return file_line(out, difference.files[i]); });
  print_list(out, "Settings", difference.settings.size(), all, [&](std::size_t i) {
    const auto& setting = difference.settings[i];
    return fmt::format("{} {}: {}  {}", mark(out, !setting.before.empty(), !setting.after.empty()),
                       setting.file, printable(setting.key),
                       change_text(setting.before, setting.after));
  });
  if (difference.tensors_compared) {
    const auto& old = difference.dtypes_before;
    const auto& now = difference.dtypes_after;
    out.line("");
    out.line(out.strong("Tensors"));
    out.line("  " + (old == now ? dtypes_text(now)
                                : fmt::format("{} → {}", dtypes_text(old), dtypes_text(now))));
    if (difference.tensors.empty()) out.line("  the same names, dtypes and shapes; other values");
  }
  print_list(out, "Tensors that differ in form", difference.tensors.size(), all,
             [&](std::size_t i) {
               const auto& tensor = difference.tensors[i];
               return fmt::format("{} {}  {}",
                                  mark(out, tensor.before.has_value(), tensor.after.has_value()),
                                  printable(tensor.name),
                                  change_text(tensor.before ? form_text(*tensor.before) : "",
                                              tensor.after ? form_text(*tensor.after) : ""));
             });
  for (const auto& changed : difference.templates) {
    out.line("");
    out.line(out.strong(fmt::format("Chat template {}", printable(changed.name))));
    std::string_view rest = changed.diff;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const std::string text = printable(rest.substr(0, end));
      out.line(text.starts_with('+')   ? out.good(text)
               : text.starts_with('-') ? out.bad(text)
                                       : text);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  print_list(out, "Evaluations", difference.metrics.size(), all,
             [&](std::size_t i) { return metric_line(difference.metrics[i]); });
  for (const auto& note : difference.notes) out.warning(note);
}

nlohmann::json difference_json(const ReleaseDifference& difference) {
  Json files = Json::array(), settings = Json::array(), tensors = Json::array(),
       templates = Json::array(), metrics = Json::array();
  for (const auto& file : difference.files) {
    Json json = {{"change", kind_name(file.kind)},
                 {"path", file.path},
                 {"old_size", file.kind == Kind::added ? Json() : Json(file.old_size)},
                 {"size", file.kind == Kind::removed ? Json() : Json(file.size)},
                 {"old_sha256", file.old_sha256},
                 {"sha256", file.sha256}};
    if (file.kind == Kind::renamed) json["old_path"] = file.old_path;
    files.push_back(std::move(json));
  }
  const auto value = [](const std::string& text) {
    return text.empty() ? Json() : parse_json(text, "value");
  };
  for (const auto& setting : difference.settings)
    settings.push_back({{"file", setting.file},
                        {"key", setting.key},
                        {"set_before", !setting.before.empty()},
                        {"set_after", !setting.after.empty()},
                        {"before", value(setting.before)},
                        {"after", value(setting.after)}});
  for (const auto& tensor : difference.tensors)
    tensors.push_back({{"name", tensor.name},
                       {"before", form_json(tensor.before)},
                       {"after", form_json(tensor.after)}});
  for (const auto& changed : difference.templates)
    templates.push_back({{"name", changed.name}, {"diff", changed.diff}});
  for (const auto& metric : difference.metrics)
    metrics.push_back({{"name", metric.name},
                       {"before", number_json(metric.before)},
                       {"after", number_json(metric.after)}});
  return {{"same_content", difference.same_content},
          {"files", std::move(files)},
          {"settings", std::move(settings)},
          {"tensors_compared", difference.tensors_compared},
          {"tensors", std::move(tensors)},
          {"dtypes",
           {{"before", dtypes_json(difference.dtypes_before)},
            {"after", dtypes_json(difference.dtypes_after)}}},
          {"chat_templates", std::move(templates)},
          {"metrics", std::move(metrics)},
          {"notes", difference.notes}};
}

}  // namespace dray::cli
