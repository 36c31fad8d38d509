// What files of credentials, helpers and token services say.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dray/base/error.h"
#include "dray/oci/auth_file.h"
#include "dray/oci/token_request.h"

namespace {

using namespace dray::oci;

void require(bool holds) {
  if (!holds) std::abort();
}

template <typename Read>
void read(Read read) {
  try {
    read();
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::malformed);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Reference at_quay = parse_reference("oci://quay.io/org/name");
  static const Reference at_hub = parse_reference("oci://docker.io/busybox");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {AuthFile::Kind::standard, AuthFile::Kind::legacy})
    read([&] {
      const AuthFile file(text, "file", kind);
      for (const Reference* reference : {&at_quay, &at_hub}) {
        read([&] {
          if (const auto found = file.stored(*reference)) require(!found->empty());
        });
        read([&] {
          const auto name = file.helper(*reference).value_or("");
          require(name.find('/') == std::string::npos);
        });
      }
      require(file.general_helper().value_or("x").find('/') == std::string::npos);
    });
  read([&] { parse_helper_answer(text, "helper"); });
  read([&] {
    const Token token = parse_token_answer(text, 1'800'000'000, "answer");
    require(is_token_text(token.value.reveal()) && token.life.count() >= 0);
  });
  return 0;
}
