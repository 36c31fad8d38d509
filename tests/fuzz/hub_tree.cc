// The Hub's listings, as a page of its tree and as the facts of a repository.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/hub/listing.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_hex(const std::string& text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void check(const dray::hub::RepoFile& file) {
  require(file.sha256.empty() || is_hex(file.sha256, 64));
  require(file.git_sha1.empty() || is_hex(file.git_sha1, 40));
  require(!file.lfs || file.git_sha1.empty());
  require(!file.size || *file.size <= dray::hub::kLargestFile);
}

template <typename Read>
void malformed_or(const Read& read) {
  try {
    read();
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::malformed);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  malformed_or([&] {
    for (const auto& file : dray::hub::parse_tree_page(text, "page")) {
      check(file);
      require(file.size.has_value());
    }
  });
  malformed_or([&] {
    const dray::hub::RepoInfo info = dray::hub::parse_info(text, "info");
    require(info.commit.empty() || is_hex(info.commit, 40));
    for (const auto& file : info.siblings) check(file);
  });
  return 0;
}
