// Archives for tests: those of other programs, and headers with any field set to anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/model/tar_reader.h"

namespace dray::test {

/// The archive of this name in tests/golden/tar/archives.txt (made by make.py there).
Buffer golden_archive(std::string_view name);

/// Bytes put at an offset of a header block.
struct Patch {
  std::size_t offset = 0;
  std::string_view text;
};

/// One header block, with any field set to what no writer would write; the checksum is right unless
/// it is patched itself. Links have the target "target".
std::string header(std::string_view name, char type = '0', std::uint64_t size = 0,
                   const std::vector<Patch>& patches = {});

/// `data` with zeros up to the next block.
std::string padded(std::string_view data);
/// A header of the type, and its padded body.
std::string record(char type, std::string_view body, std::string_view name = "record");
/// "LENGTH KEY=VALUE\n".
std::string pax(std::string_view key, std::string_view value);
/// Two blocks of zeros.
std::string end_of_archive();

/// The entries of an archive that lies in memory, header by header.
std::vector<tar::Entry> entries_of(std::string_view archive, tar::ReaderLimits limits = {});

}  // namespace dray::test
