#include "dray/transfer/journal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/path.h"

namespace dray {

namespace {

constexpr std::uint64_t kFormatVersion = 1;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string machine_id() {
  const auto boot = read_file("/proc/sys/kernel/random/boot_id", 256);
  char buffer[256];
  const ssize_t n = ::readlink("/proc/self/ns/pid", buffer, sizeof buffer);
  if (!boot || n <= 0) return "";
  return trimmed(*boot) + " " + std::string(buffer, static_cast<std::size_t>(n));
}

/// Field 22 of /proc/PID/stat (proc(5)); 0 when there is no such process.
std::uint64_t process_start(std::int64_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat) return 0;
  const std::size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return 0;
  std::string_view rest = std::string_view(*stat).substr(name_end + 1);
  for (int field = 2; field < 22; ++field) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return 0;
    rest.remove_prefix(space + 1);
  }
  return parse_u64(rest.substr(0, rest.find(' '))).value_or(0);
}

std::string hex64(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::uint64_t crc_field(const Json& value, std::string_view what) {
  const auto* text = value.get_ptr<const std::string*>();
  const auto bytes = text != nullptr && text->size() == 16 ? from_hex(*text) : std::nullopt;
  if (!bytes)
    throw Error(Code::malformed, fmt::format("{}: a CRC is not 16 hexadecimal digits", what));
  std::uint64_t crc = 0;
  for (std::byte b : *bytes) crc = crc << 8 | std::to_integer<std::uint64_t>(b);
  return crc;
}

std::vector<std::string> digests_of(const Json& json, const char* key, std::string_view what) {
  std::vector<std::string> out;
  if (!json.contains(key)) return out;
  for (const Json& digest : get_array(json, key, what)) {
    if (!digest.is_string())
      throw Error(Code::malformed, fmt::format("{}: a digest is no text", what));
    out.push_back(digest.get<std::string>());
  }
  return out;
}

Json parts_json(const std::vector<PutPart>& parts) {
  Json out = Json::array();
  for (const auto& p : parts) out.push_back(Json::array({p.index, p.size, hex64(p.crc64), p.etag}));
  return out;
}

std::vector<PutPart> parts_of(const Json& array, std::string_view what) {
  std::vector<PutPart> parts;
  for (const Json& row : array) {
    if (!row.is_array() || row.size() != 4 || !row[0].is_number_unsigned() ||
        !row[1].is_number_unsigned() || !row[3].is_string())
      throw Error(Code::malformed,
                  fmt::format("{}: a part is not [index, size, crc64, etag]", what));
    parts.push_back({row[0].get<std::uint64_t>(), row[1].get<std::uint64_t>(),
                     crc_field(row[2], what), row[3].get<std::string>()});
  }
  return parts;
}

Json object_json(const JournalObject& object) {
  Json out = {{"key", object.key}};
  if (!object.upload.id.empty())
    out["upload"] = {{"id", object.upload.id},
                     {"part_size", object.upload.part_size},
                     {"parts", parts_json(object.upload.parts)}};
  if (!object.upload.id.empty() && object.upload.cut != 0)
    out["upload"]["cut"] = hex64(object.upload.cut);
  if (object.hash) {
    out["hash"] = {{"offset", object.hash->offset}, {"sha256", object.hash->sha256}};
    if (!object.hash->unit.empty()) out["hash"]["unit"] = object.hash->unit;
    if (!object.hash->units.empty()) out["hash"]["units"] = object.hash->units;
  }
  if (object.done) {
    Json crcs = Json::array();
    for (std::uint64_t crc : object.done->part_crc64) crcs.push_back(hex64(crc));
    out["done"] = {{"size", object.done->size},           {"sha256", object.done->sha256},
                   {"part_size", object.done->part_size}, {"part_crc64", std::move(crcs)},
                   {"etag", object.done->etag},           {"moved", object.done->moved}};
    if (!object.done->unit_sha256.empty()) out["done"]["unit_sha256"] = object.done->unit_sha256;
    if (!object.done->input_sha256.empty()) {
      out["done"]["input_sha256"] = object.done->input_sha256;
      out["done"]["report"] = object.done->report;
    }
  }
  return out;
}

JournalObject object_of(const Json& json, std::string_view what) {
  JournalObject object;
  object.key = get_string(json, "key", what);
  check_relative_path(object.key, what);
  if (json.contains("upload")) {
    const Json& upload = get_object(json, "upload", what);
    object.upload.id = get_string(upload, "id", what);
    object.upload.part_size = get_u64(upload, "part_size", what);
    object.upload.parts = parts_of(get_array(upload, "parts", what), what);
    if (upload.contains("cut")) object.upload.cut = crc_field(upload["cut"], what);
  }
  if (json.contains("hash")) {
    const Json& hash = get_object(json, "hash", what);
    object.hash =
        SavedHash{get_u64(hash, "offset", what), get_string(hash, "sha256", what),
                  find_string(hash, "unit", what).value_or(""), digests_of(hash, "units", what)};
  }
  if (json.contains("done")) {
    const Json& done = get_object(json, "done", what);
    ObjectResult result;
    result.key = object.key;
    result.size = get_u64(done, "size", what);
    result.sha256 = get_string(done, "sha256", what);
    result.part_size = get_u64(done, "part_size", what);
    for (const Json& crc : get_array(done, "part_crc64", what))
      result.part_crc64.push_back(crc_field(crc, what));
    result.etag = get_string(done, "etag", what);
    result.moved = find_bool(done, "moved", what).value_or(true);
    result.input_sha256 = find_string(done, "input_sha256", what).value_or("");
    result.unit_sha256 = digests_of(done, "unit_sha256", what);
    if (const auto report = done.find("report"); report != done.end())
      result.report = report->is_string() ? report->get<std::string>() : dump_json(*report);
    object.done = std::move(result);
  }
  return object;
}

}  // namespace

Writer this_writer() {
  std::random_device random;
  Writer writer;
  writer.id = fmt::format("{:08x}{:08x}", random(), random());
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) == 0) writer.host = host;
  writer.machine = machine_id();
  writer.pid = ::getpid();
  writer.started = process_start(writer.pid);
  return writer;
}

bool surely_dead(const Writer& writer) {
  if (writer.machine.empty() || writer.machine != machine_id() || writer.pid <= 0) return false;
  return process_start(writer.pid) != writer.started;
}

const JournalObject* Journal::find(std::string_view key) const {
  const auto it =
      std::lower_bound(objects.begin(), objects.end(), key,
                       [](const JournalObject& o, std::string_view k) { return o.key < k; });
  return it != objects.end() && it->key == key ? &*it : nullptr;
}

std::string to_json_text(const Journal& journal) {
  Json objects = Json::array();
  for (const auto& object : journal.objects) objects.push_back(object_json(object));
  const Json json = {{"format", "dray-journal"},
                     {"format_version", kFormatVersion},
                     {"writer",
                      {{"id", journal.writer.id},
                       {"host", journal.writer.host},
                       {"machine", journal.writer.machine},
                       {"pid", journal.writer.pid},
                       {"started", journal.writer.started}}},
                     {"name", journal.name},
                     {"version", journal.version},
                     {"source", journal.source},
                     {"plan", journal.plan},
                     {"created", rfc3339(journal.created)},
                     {"released", journal.released},
                     {"keys", journal.keys},
                     {"objects", std::move(objects)}};
  return dump_json(json);
}

Journal parse_journal(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what, {.bytes = 64 << 20, .depth = 8});
  if (get_string(json, "format", what) != "dray-journal")
    throw Error(Code::malformed, fmt::format("{} is not a dray journal", what));
  const std::uint64_t version = get_u64(json, "format_version", what);
  if (version > kFormatVersion)
    throw Error(Code::unsupported, fmt::format("{} has format version {}, this dray reads up to {}",
                                               what, version, kFormatVersion))
        .hint("continue with the newer dray that began this transfer");
  Journal journal;
  const Json& writer = get_object(json, "writer", what);
  journal.writer.id = get_string(writer, "id", what);
  journal.writer.host = find_string(writer, "host", what).value_or("");
  journal.writer.machine = find_string(writer, "machine", what).value_or("");
  journal.writer.pid = static_cast<std::int64_t>(
      std::min<std::uint64_t>(find_u64(writer, "pid", what).value_or(0), INT32_MAX));
  journal.writer.started = find_u64(writer, "started", what).value_or(0);
  journal.name = get_string(json, "name", what);
  journal.version = get_string(json, "version", what);
  journal.source = find_string(json, "source", what).value_or("");
  journal.plan = get_string(json, "plan", what);
  journal.created = parse_rfc3339(find_string(json, "created", what).value_or("")).value_or(0);
  journal.released = find_bool(json, "released", what).value_or(false);
  for (const Json& key : get_array(json, "keys", what)) {
    if (!key.is_string()) throw Error(Code::malformed, fmt::format("{}: a key is not text", what));
    journal.keys.push_back(key.get<std::string>());
    check_relative_path(journal.keys.back(), what);
  }
  for (const Json& object : get_array(json, "objects", what))
    journal.objects.push_back(object_of(object, what));
  std::sort(journal.objects.begin(), journal.objects.end(),
            [](const JournalObject& a, const JournalObject& b) { return a.key < b.key; });
  return journal;
}

std::string plan_digest(const TransferPlan& plan) {
  Sha256 sha;
  for (const auto& object : plan.objects) {
    std::string line = fmt::format("{}\t{}", object.spec.key, object.spec.size);
    for (const auto& segment : object.segments) {
      if (const auto* source = std::get_if<SourceSegment>(&segment)) {
        const FileEntry& unit = plan.units[source->unit];
        line += fmt::format("\t{}\t{}\t{}\t{}", unit.path, unit.digests.sha256,
                            unit.digests.git_sha1, source->range.offset);
        if (plan.made.contains(source->unit)) line += "\tmade";
      } else if (const auto* literal = std::get_if<LiteralSegment>(&segment)) {
        line += "\t" + Sha256::hex_of(*literal->bytes);
      }
    }
    if (object.transform) line += "\t" + object.transform->identity();
    line += '\n';
    sha.update(as_bytes(line));
  }
  return sha.hex();
}

}  // namespace dray
