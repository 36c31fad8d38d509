#include <fmt/format.h>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/location.h"
#include "dray/cli/report.h"
#include "dray/release/remove.h"
#include "dray/release/verify.h"

namespace dray::cli {

namespace {

int run(Context& context) {
  const bool yes = context.args().flag("yes");
  const auto store = context.open_store();
  require_folder(*store);
  std::vector<Leftover> leftovers;
  {
    ShownProgress shown(context, "gc");
    shown.get().phase("looking for leftovers");
    leftovers = collect_garbage(*store, yes, TransferOptions{}.claim_ttl, context.stop());
    shown.get().phase("looking for removed releases");
    for (auto& purged : purge_removed(*store, yes, unix_now(), context.stop()))
      leftovers.push_back(std::move(purged));
  }
  Output& out = context.out();
  std::uint64_t bytes = 0;
  Table table{{{"OF", false, true}, {"WHAT", false, true}, {"SIZE", true}}, {}};
  Json list = Json::array();
  for (const auto& leftover : leftovers) {
    bytes += leftover.bytes;
    table.rows.push_back(
        {leftover.transfer, leftover.what, leftover.bytes == 0 ? "" : human_size(leftover.bytes)});
    list.push_back(
        {{"transfer", leftover.transfer}, {"what", leftover.what}, {"bytes", leftover.bytes}});
  }
  out.json({{"store", store->properties().uri},
            {"leftovers", std::move(list)},
            {"bytes", bytes},
            {"dry_run", !yes},
            {"changed", yes && !leftovers.empty()}});
  if (leftovers.empty()) {
    out.note(fmt::format("No leftovers in {}.", store->properties().uri));
    return 0;
  }
  if (out.is_quiet()) return 0;
  out.table(table);
  out.line(fmt::format("\n{}, {}: {}", count_of(leftovers.size(), "leftover"), human_size(bytes),
                       yes ? "removed" : "nothing was removed"));
  if (!yes) out.next(fmt::format("dray gc --yes{}", context.store_flag()));
  return 0;
}

}  // namespace

Command gc_command() {
  return {
      .name = "gc",
      .group = "Change",
      .summary = "remove what broken-off imports and removed releases left behind",
      .details =
          "Of imports only what a journal of dray names, and only when no process works on it any "
          "more; of releases that were removed with `dray rm` the files that their manifest names, "
          "once the time of grace is over. Without --yes nothing is removed. An import that is to "
          "go on needs its leftovers: they "
          "are what it does not send again.",
      .options = join({store_options(), {yes_option("remove, instead of only telling")}}),
      .examples = {{"dray gc --store s3://bucket", "tell"},
                   {"dray gc --store s3://bucket --yes", "remove"}},
      .run = run};
}

}  // namespace dray::cli
