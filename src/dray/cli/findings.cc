#include "dray/cli/findings.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/json.h"
#include "dray/cli/actor.h"

namespace dray::cli {

std::vector<Finding> find_problems(Context& context, Store& store, Registry* registry) {
  CheckRequest request{.store = &store, .registry = registry};
  request.place = context.place();
  request.fix = context.args().flag("fix");
  request.note = note_of("mended by dray " + context.command().name + " --fix");
  ShownProgress shown(context, context.command().name);
  shown.get().phase("comparing records, files and registry");
  return check_catalog(request, context.stop());
}

nlohmann::json findings_json(const std::vector<Finding>& findings) {
  Json out = Json::array();
  for (const auto& finding : findings)
    out.push_back({{"kind", finding.kind},
                   {"object", finding.object},
                   {"what", finding.what},
                   {"fix", finding.fix},
                   {"can_fix", finding.can_fix},
                   {"fixed", finding.fixed}});
  return out;
}

void print_findings(Output& out, const std::vector<Finding>& findings) {
  for (const auto& finding : findings) {
    const std::string label = pad(finding.fixed ? "mended" : finding.kind, 22);
    out.line(fmt::format("{}  {}  {}", finding.fixed ? out.good(label) : out.careful(label),
                         printable(finding.object), printable(finding.what)));
    if (!finding.fixed && !finding.fix.empty())
      out.line(fmt::format("{}  fix: {}", pad("", 22), printable(finding.fix)));
  }
  const auto can = std::ranges::count_if(
      findings, [](const Finding& finding) { return finding.can_fix && !finding.fixed; });
  if (can > 0)
    out.note(
        fmt::format("{} of these can be mended without guessing: run it again with --fix", can));
}

std::size_t open_findings(const std::vector<Finding>& findings) {
  return static_cast<std::size_t>(std::ranges::count(findings, false, &Finding::fixed));
}

}  // namespace dray::cli
