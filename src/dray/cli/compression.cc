#include "dray/cli/compression.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "dray/base/error.h"
#include "dray/cli/text.h"

namespace dray::cli {

std::vector<Option> compress_options(const std::string& needs) {
  std::vector<Option> out = {
      {.name = "group-size",
       .value = "N",
       .help = "columns that share a scale: 32, 64 or 128, for W4A16, W4A16_ASYM and W8A16",
       .kind = Kind::number},
      {.name = "asymmetric", .value = "", .help = "each group has a zero point too (W8A16)"},
      {.name = "ignore",
       .value = "GLOB",
       .help = "leave modules that match as they are, like '*.self_attn.*'",
       .many = true},
  };
  for (Option& option : out) option.needs = needs;
  return out;
}

std::optional<CompressOptions> read_compression(const Args& args, const std::string& scheme) {
  if (scheme.empty()) {
    for (const char* option : {"group-size", "asymmetric", "ignore"})
      if (const Setting* setting = args.find(option);
          setting != nullptr && !setting->values.empty() && setting->values.front() != "false")
        throw Error(Code::usage, fmt::format("--{} belongs to --compress", option))
            .hint(fmt::format("say --compress with one of {}",
                              fmt::join(quantize::scheme_names(), ", ")));
    return std::nullopt;
  }
  const bool has_options = quantize::has_options(quantize::find_scheme(scheme));
  const auto counts = [&](const char* option) {
    const Setting* setting = args.find(option);
    return setting != nullptr && (has_options || !setting->from_environment);
  };
  quantize::SchemeOptions options;
  if (counts("group-size")) options.group = args.number("group-size");
  if (counts("asymmetric") && args.flag("asymmetric")) options.symmetric = false;
  return CompressOptions{quantize::find_scheme(scheme, options), args.list("ignore")};
}

namespace {

std::string scheme_text(const quantize::Scheme& scheme) {
  std::string out = fmt::format("{} (rtn", scheme.name);
  if (scheme.group != 0) out += fmt::format(", groups of {}", scheme.group);
  if (!scheme.symmetric) out += ", asymmetric";
  return out + ")";
}

}  // namespace

std::string compression_text(const Compression& compression) {
  return fmt::format("{}, {}, {} → {}", scheme_text(compression.options.scheme),
                     count_of(compression.quantized, "weight"),
                     human_size(compression.bytes_before), human_size(compression.bytes_after));
}

std::string kept_text(const Compression& compression) {
  std::map<std::string, std::size_t> counts;
  for (const auto& kept : compression.kept) ++counts[kept.why];
  std::vector<std::string> parts;
  for (const auto& [why, count] : counts) parts.push_back(fmt::format("{} {}", count, why));
  return fmt::format("{}", fmt::join(parts, ", "));
}

Json compression_json(const Compression& compression) {
  Json out = compression.record();
  Json kept = Json::array();
  for (const auto& [module, why] : compression.kept)
    kept.push_back({{"module", module}, {"why", why}});
  out["kept"] = std::move(kept);
  out["warnings"] = compression.advice;
  return out;
}

}  // namespace dray::cli
