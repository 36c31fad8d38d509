// filterQuery: every text is refused or becomes SQL that SQLite accepts, with as many values as it
// has places for, and finds nothing but resources of the kind asked for.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/registry/connection.h"
#include "dray/registry/record_reader.h"
#include "dray/registry/schema.h"

namespace {

using dray::sqlite::Connection;

Connection& registry() {
  static Connection connection(":memory:", Connection::Use::write);
  static bool ready = false;
  if (!ready) dray::migrate_schema(connection.database());
  ready = true;
  return connection;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = dray::as_text(std::as_bytes(std::span(data, size)));
  for (const auto kind :
       {dray::Kind::registered_model, dray::Kind::any_artifact, dray::Kind::metric}) {
    for (const char* parent : {"", "1"}) {
      try {
        const auto page = dray::list_records(registry(), kind, parent,
                                             {.page_size = "2", .filter_query = std::string(text)});
        if (page.size != 0) std::abort();
      } catch (const dray::Error& error) {
        if (error.code() != dray::Code::malformed) std::abort();
      }
    }
  }
  return 0;
}
