#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <thread>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/doctor_checks.h"
#include "dray/cli/findings.h"

namespace dray::cli {

namespace {

std::string machine_text() {
  utsname name{};
  uname(&name);
  return fmt::format("dray {}, {} {} {}, {}", DRAY_VERSION, name.sysname, name.release,
                     name.machine, count_of(std::thread::hardware_concurrency(), "CPU"));
}

std::string_view state_name(Check::State state) {
  switch (state) {
    case Check::State::ok:
      return "ok";
    case Check::State::warn:
      return "warn";
    case Check::State::fail:
      return "fail";
  }
  return "";
}

void print(Output& out, const Check& check) {
  const std::string label = pad(state_name(check.state), 4);
  const std::string painted = check.state == Check::State::ok     ? out.good(label)
                              : check.state == Check::State::warn ? out.careful(label)
                                                                  : out.bad(label);
  if (out.is_quiet() && check.state == Check::State::ok) return;
  out.line(fmt::format("{}  {}  {}", painted, pad(check.name, 8), printable(check.message)));
  if (!check.fix.empty())
    out.line(fmt::format("      {}  fix: {}", pad("", 8), printable(check.fix)));
}

std::vector<Finding> catalogue_findings(Context& context) {
  const auto store = context.open_store();
  const auto registry = context.open_registry();
  return find_problems(context, *store, registry.get());
}

/// Nothing that an import would fail of: a warning.
Check catalogue_check(const std::vector<Finding>& findings) {
  const std::size_t open = open_findings(findings);
  if (open == 0)
    return {"records",
            Check::State::ok,
            findings.empty() ? "records, files and registry agree"
                             : fmt::format("{} mended", count_of(findings.size(), "problem")),
            "",
            {}};
  return {"records",
          Check::State::warn,
          fmt::format("{} in the store's records or the registry", count_of(open, "problem")),
          "see below",
          {}};
}

int run(Context& context) {
  Output& out = context.out();
  std::vector<Check> checks;
  const auto add = [&](std::vector<Check> more) {
    for (auto& check : more) {
      print(out, check);
      checks.push_back(std::move(check));
    }
    out.flush();
  };
  // Shows what is being waited for: an endpoint that does not answer takes its time.
  const auto waiting = [&](const char* what, const auto& look) {
    ShownProgress shown(context, "doctor");
    shown.get().phase(what);
    return look();
  };
  const std::string machine = machine_text();
  if (!out.is_quiet()) out.line(machine);
  const Environment environment = [](const std::string& name) { return env(name.c_str()); };
  add({proxy_check(environment),
       memory_check(memory_limit(), context.args().number("memory").value_or(0))});
  add(waiting("asking the Hub", [&] { return hub_checks(context); }));
  if (const std::string source = context.args().positional(0); !source.empty())
    add(waiting("asking for the source",
                [&] { return std::vector{source_check(context, source)}; }));
  add(waiting("trying the store", [&] { return store_checks(context); }));
  add(waiting("asking the registry", [&] { return registry_checks(context); }));
  const bool reachable = std::ranges::none_of(checks, [](const Check& check) {
    return check.state == Check::State::fail && (check.name == "store" || check.name == "registry");
  });
  std::vector<Finding> findings;
  if (reachable) {
    add({guarded("records", [&] {
      findings = catalogue_findings(context);
      return catalogue_check(findings);
    })});
    print_findings(out, findings);
  }

  Json list = Json::array();
  const Check* first_failed = nullptr;
  for (const auto& check : checks) {
    if (check.state == Check::State::fail && first_failed == nullptr) first_failed = &check;
    list.push_back({{"name", check.name},
                    {"status", state_name(check.state)},
                    {"message", check.message},
                    {"fix", check.fix},
                    {"code", check.code ? Json(code_name(*check.code)) : Json()}});
  }
  out.json({{"ok", first_failed == nullptr},
            {"machine", machine},
            {"version", DRAY_VERSION},
            {"checks", std::move(list)},
            {"findings", findings_json(findings)},
            {"changed", open_findings(findings) < findings.size()}});
  if (first_failed == nullptr) {
    out.note("All that an import needs is there.");
    return 0;
  }
  return exit_status(first_failed->code.value_or(Code::internal));
}

}  // namespace

Command doctor_command() {
  std::vector<Option> memory = transfer_options();
  std::erase_if(memory, [](const Option& option) { return option.name != "memory"; });
  return {.name = "doctor",
          .group = "Set up",
          .summary =
              "check Hub, token, proxy, clock, store and registry, and say how to mend what fails",
          .details =
              "The store is tried by writing, reading and removing a small object; a registry of "
              "images by uploads that are cancelled. The exit code is that "
              "of the first check that fails; warnings do not count. Records of the store, names "
              "and sizes of "
              "its files, and the registry's entries are compared; the bytes are read by `dray "
              "verify`.",
          .positionals = {{"SOURCE", "a model whose access is checked too, like ORG/MODEL", false}},
          .options = join({store_options(),
                           image_options(),
                           registry_options(),
                           {{.name = "fix",
                             .value = "",
                             .help = "mend records that can be mended without guessing",
                             .typed = true}},
                           hub_options(),
                           memory}),
          .examples = {{"dray doctor", "the default store and registry"},
                       {"dray doctor org/gated-model --store s3://bucket", "before a big import"}},
          .run = run};
}

}  // namespace dray::cli
