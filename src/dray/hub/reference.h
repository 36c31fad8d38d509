// How people write down a repository of the Hub.
#pragma once

#include <string>
#include <string_view>

namespace dray::hub {

/// A model repository and, where one was named, a branch, tag, pull request ("refs/pr/1") or
/// commit.
struct RepoRef {
  std::string repo;      // "org/name", or "name" for the few repositories without an organisation
  std::string revision;  // "" if none was named

  /// "hf://org/name", the canonical form without revision.
  std::string uri() const { return "hf://" + repo; }
  /// The form that `parse_reference` reads back: with "@revision" where there is one, escaped.
  std::string text() const;
  /// "name" of "org/name".
  std::string last_part() const;
  bool operator==(const RepoRef&) const = default;
};

/// Reads `hf://org/name[@rev]`, `hf://models/org/name[@rev]`, the address of a model's page (below
/// huggingface.co, hf.co or `endpoint`, also with /tree/REV or /commit/SHA), `org/name[@rev]` and
/// `name[@rev]`. A '/' in a revision is written %2F, except in "refs/…". Throws Code::usage with
/// the form that is meant, and Code::unsupported for data sets and spaces. An address on an unknown
/// host is refused, so that no token goes there: HF_ENDPOINT names other Hubs.
RepoRef parse_reference(std::string_view text, std::string_view endpoint);

/// `name` or `org/name`; each part 1 to 96 of `[A-Za-z0-9._-]`, beginning and ending with a letter,
/// digit or '_'; no "--", no "..", not ending in ".git" (rules of the Hub). Throws Code::usage.
void check_repo_id(std::string_view repo);
bool is_repo_id(std::string_view repo);
/// What Git allows in the name of a branch or tag, at most 255 bytes. Throws Code::usage.
void check_revision(std::string_view revision);
/// 40 lower-case hexadecimal digits.
bool is_commit(std::string_view revision);

}  // namespace dray::hub
