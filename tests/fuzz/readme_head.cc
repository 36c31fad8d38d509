// The head of a README, and config.json: what strangers write for people. The head never throws.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/model/hf_config.h"
#include "dray/model/plain_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = dray::as_text(std::as_bytes(std::span(data, size)));
  const auto info = dray::parse_readme_head(text);
  if (info.tags.size() > 1000 || !dray::is_plain_text(info.license)) std::abort();
  for (const auto& tag : info.tags)
    if (tag.empty() || !dray::is_plain_text(tag)) std::abort();
  try {
    const auto config = dray::parse_hf_config(text, "fuzz");
    if (dray::estimate_gpu_bytes(config, 1) < 1) std::abort();
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::malformed) std::abort();
  }
  return 0;
}
