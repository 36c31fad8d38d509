#include "dray/model/tar_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "dray/base/error.h"
#include "dray/model/plain_text.h"
#include "dray/model/tar_header.h"

namespace dray::tar {

namespace {

bool is_record(char type) {
  return type == flag::kLongName || type == flag::kLongLink || type == flag::kPax ||
         type == flag::kOldPax || type == flag::kGlobalPax;
}

/// Whatever size their header states: links and folders of some writers have one, and no data.
bool has_data(char type) {
  switch (type) {
    case flag::kHardLink:
    case flag::kSymlink:
    case flag::kCharacterDevice:
    case flag::kBlockDevice:
    case flag::kFolder:
    case flag::kFifo:
      return false;
    default:
      return true;
  }
}

EntryType type_of(char type) {
  switch (type) {
    case flag::kFile:
    case flag::kOldFile:
    case flag::kContiguous:
      return EntryType::file;
    case flag::kFolder:
      return EntryType::folder;
    case flag::kSymlink:
      return EntryType::symlink;
    case flag::kHardLink:
      return EntryType::hardlink;
    default:
      return EntryType::other;
  }
}

}  // namespace

HeaderReader::HeaderReader(std::string what, ReaderLimits limits)
    : what_(std::move(what)), limits_(limits) {}

void HeaderReader::fail(std::uint64_t offset, const std::string& why) const {
  refuse(what_, offset, why);
}

std::optional<ByteRange> HeaderReader::wanted() const {
  if (state_ == State::ended) return std::nullopt;
  if (state_ == State::record) return ByteRange{next_, record_size_ + padding(record_size_)};
  return ByteRange{next_, kBlock};
}

std::optional<Entry> HeaderReader::feed(Bytes bytes) {
  assert(wanted() && bytes.size() == wanted()->length);
  if (state_ != State::record) return take_header(bytes);
  take_record(bytes.first(record_size_));
  next_ += bytes.size();
  state_ = State::header;
  return std::nullopt;
}

std::optional<Entry> HeaderReader::take_header(Bytes block) {
  auto header = parse_header(block, next_, what_);
  if (!header) {
    if (pending_.any()) fail(next_, "the archive ends between a long name and its member");
    state_ = state_ == State::second_zero ? State::ended : State::second_zero;
    next_ += kBlock;
    return std::nullopt;
  }
  if (state_ == State::second_zero) fail(next_, "a member follows a block of zeros");
  if (is_record(header->type)) {
    begin_record(header->type, header->size);
    return std::nullopt;
  }
  return complete(std::move(*header));
}

void HeaderReader::begin_record(char type, std::uint64_t size) {
  if (size > limits_.record_bytes)
    fail(next_, fmt::format("a long name or extended header of {} bytes, at most {} are allowed",
                            size, limits_.record_bytes));
  bool misplaced = false;
  if (type == flag::kLongName)
    misplaced = pending_.long_name.has_value();
  else if (type == flag::kLongLink)
    misplaced = pending_.long_link.has_value();
  else if (type == flag::kGlobalPax)
    misplaced = pending_.any();  // it stands between members
  else
    misplaced = pending_.pax.has_value();
  if (misplaced) fail(next_, fmt::format("a record of type '{}' where none may be", type));
  if (type == flag::kGlobalPax) count(0);
  record_type_ = type;
  record_size_ = size;
  next_ += kBlock;
  if (size > 0)
    state_ = State::record;
  else
    take_record({});
}

void HeaderReader::take_record(Bytes body) {
  if (record_type_ == flag::kLongName) {
    pending_.long_name = name_in(body);
  } else if (record_type_ == flag::kLongLink) {
    pending_.long_link = name_in(body);
  } else {
    auto records = parse_pax(body, next_, what_);
    if (record_type_ != flag::kGlobalPax) {
      pending_.pax = std::move(records);
    } else if (records.path || records.link_path || records.size || records.sparse) {
      fail(next_, "a global extended header gives all members one name or size");
    }
  }
}

std::string HeaderReader::name_in(Bytes body) const {
  const auto text = as_text(body);
  const auto name = text.substr(0, text.find('\0'));
  if (name.empty()) fail(next_, "a record of a long name holds none");
  if (name.size() > kLongestName)
    fail(next_, fmt::format("a name is longer than {} bytes", kLongestName));
  return std::string(name);
}

/// Puts in the name that a record states. Two that differ would leave it to the reader's taste
/// which file this is.
void HeaderReader::settle_name(std::string& name, const std::optional<std::string>& gnu,
                               const std::optional<std::string>& pax) const {
  if (gnu && pax && *gnu != *pax)
    fail(next_, fmt::format("one member is called both '{}' and '{}'", shown_text(*gnu),
                            shown_text(*pax)));
  if (gnu)
    name = *gnu;
  else if (pax)
    name = *pax;
}

Entry HeaderReader::complete(Header header) {
  const Pending pending = std::exchange(pending_, {});
  const PaxRecords pax = pending.pax.value_or(PaxRecords{});
  settle_name(header.name, pending.long_name, pax.path);
  settle_name(header.link_name, pending.long_link, pax.link_path);
  if (pax.size) header.size = *pax.size;
  if (header.type == flag::kSparse || header.type == flag::kContinuation || pax.sparse)
    throw Error(
        Code::unsupported,
        fmt::format("{}: '{}' is stored in pieces (at byte {})", what_,
                    shown_text(pax.sparse_name.empty() ? header.name : pax.sparse_name), next_))
        .hint("make the archive again without sparse files and volumes");
  if (header.name.empty()) fail(next_, "a member has no name");

  Entry entry;
  entry.type = type_of(header.type);
  entry.size = has_data(header.type) ? header.size : 0;
  // Before there was a type for folders, the '/' made one.
  if (entry.type == EntryType::file && header.name.back() == '/') {
    if (entry.size > 0)
      fail(next_, fmt::format("the folder '{}' has data", shown_text(header.name)));
    entry.type = EntryType::folder;
  }
  if (entry.type == EntryType::symlink || entry.type == EntryType::hardlink) {
    if (header.link_name.empty())
      fail(next_, fmt::format("the link '{}' has no target", shown_text(header.name)));
    entry.link_target = std::move(header.link_name);
  }
  count(header.name.size() + entry.link_target.size());
  entry.path = std::move(header.name);
  entry.mode = header.mode;
  entry.mtime = header.mtime;
  entry.data_offset = next_ + kBlock;
  if (entry.data_offset > kLargestSize - kBlock ||
      entry.size > kLargestSize - kBlock - entry.data_offset)
    fail(next_,
         fmt::format("'{}' of {} bytes would end beyond 2^63", shown_text(entry.path), entry.size));
  next_ = entry.data_offset + entry.size + padding(entry.size);
  return entry;
}

void HeaderReader::count(std::uint64_t name_bytes) {
  name_bytes_ += name_bytes;
  if (++entries_ > limits_.entries)
    fail(next_, fmt::format("more than {} members", limits_.entries));
  if (name_bytes_ > limits_.name_bytes)
    fail(next_, fmt::format("names of more than {} together", human_size(limits_.name_bytes)));
}

void HeaderReader::finish(std::uint64_t archive_size) const {
  if (state_ == State::ended) return;
  const bool border = state_ != State::record && !pending_.any();
  if (border && archive_size == next_) return;
  fail(archive_size,
       archive_size < next_
           ? fmt::format("the archive ends inside a member's data, which goes on to byte {}", next_)
           : "the archive ends inside a header or before the member that it is about");
}

StreamReader::StreamReader(std::string what, ReaderLimits limits)
    : headers_(std::move(what), limits) {}

/// Collects what headers_ wants; gives the entry when that completes one.
std::optional<Entry> StreamReader::gather(Bytes& input) {
  const ByteRange wanted = *headers_.wanted();
  const auto skip = std::min<std::uint64_t>(
      wanted.offset > position_ ? wanted.offset - position_ : 0, input.size());
  const auto take = std::min<std::uint64_t>(wanted.length - gathered_.size(), input.size() - skip);
  const Bytes bytes = input.subspan(skip, take);
  gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
  position_ += skip + take;
  input = input.subspan(skip + take);
  if (gathered_.size() < wanted.length) return std::nullopt;
  return headers_.feed(std::exchange(gathered_, {}));
}

std::optional<StreamReader::Event> StreamReader::next(Bytes& input) {
  while (!input.empty()) {
    if (ended_) {
      position_ += input.size();
      input = {};
    } else if (data_left_ > 0) {
      const Bytes data = input.first(std::min<std::uint64_t>(data_left_, input.size()));
      input = input.subspan(data.size());
      position_ += data.size();
      data_left_ -= data.size();
      return Event{Event::Kind::data, &entry_, data};
    } else if (auto entry = gather(input)) {
      entry_ = std::move(*entry);
      data_left_ = entry_.size;
      return Event{Event::Kind::entry, &entry_, {}};
    } else if (!headers_.wanted()) {
      ended_ = true;
      return Event{Event::Kind::end, nullptr, {}};
    }
  }
  return std::nullopt;
}

void StreamReader::finish() const { headers_.finish(position_); }

std::vector<Entry> scan(std::uint64_t archive_size, const std::function<Buffer(ByteRange)>& read,
                        const std::string& what, std::uint64_t read_ahead, ReaderLimits limits) {
  HeaderReader headers(what, limits);
  std::vector<Entry> entries;
  Buffer window;
  std::uint64_t window_offset = 0;
  while (const auto wanted = headers.wanted()) {
    if (wanted->end() > archive_size) break;
    if (wanted->offset < window_offset || wanted->end() > window_offset + window.size()) {
      const std::uint64_t length =
          std::min(std::max(wanted->length, read_ahead), archive_size - wanted->offset);
      window = read({wanted->offset, length});
      window_offset = wanted->offset;
      if (window.size() != length)
        throw Error(Code::internal, fmt::format("{}: {} bytes were read in place of {}", what,
                                                window.size(), length));
    }
    const Bytes bytes = Bytes(window).subspan(wanted->offset - window_offset, wanted->length);
    if (auto entry = headers.feed(bytes)) entries.push_back(std::move(*entry));
  }
  headers.finish(archive_size);
  return entries;
}

}  // namespace dray::tar
