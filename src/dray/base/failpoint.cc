#include "dray/base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace dray {

namespace {

struct Armed {
  std::string name;
  std::uint64_t hit = 1;  // which arrival counts
  bool error = false;     // throw instead of dying
};

Armed read_environment() {
  const char* text = std::getenv("DRAY_FAILPOINT");
  std::string_view rest = text == nullptr ? "" : text;
  Armed out;
  if (rest.ends_with("=error")) {
    out.error = true;
    rest.remove_suffix(std::string_view("=error").size());
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    out.hit = parse_u64(rest.substr(colon + 1)).value_or(1);
    rest = rest.substr(0, colon);
  }
  out.name = rest;
  return out;
}

// Read once, before main: the environment is not looked at again.
const Armed g_armed = read_environment();
const std::atomic<bool> g_is_armed{!g_armed.name.empty()};
std::atomic<std::uint64_t> g_hits{0};

}  // namespace

void failpoint(std::string_view name) {
  if (!g_is_armed.load(std::memory_order_relaxed)) return;
  if (name != g_armed.name || g_hits.fetch_add(1) + 1 != g_armed.hit) return;
  if (g_armed.error)
    throw Error(Code::internal, "failure asked for by DRAY_FAILPOINT")
        .on("reach", std::string(name))
        .transient();
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();  // the signal may arrive a moment later
}

}  // namespace dray
