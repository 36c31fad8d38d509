// Lists of a FakeRegistry: tags and referrers, page by page.
#include <algorithm>
#include <limits>

#include "dray/http/url.h"
#include "tests/support/fake_registry_state.h"

namespace dray::test {

namespace {

constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kPageToken = "page+";

/// A Link header to the rest of the list that this call asks for.
void add_next(const RegistryCall& call, const std::string& query, RawResponse& response) {
  const bool absolute = call.options.quirks.opaque_pages;
  response.headers.emplace_back("Link", "<" + (absolute ? call.base_url() : "") +
                                            call.request->path + "?" + query + ">; rel=\"next\"");
}

}  // namespace

RawResponse RegistryState::list_tags(const RegistryCall& call) const {
  const auto place = repositories.find(call.repository);
  if (place == repositories.end()) return FakeRegistry::error(404, "NAME_UNKNOWN");
  const RegistryQuirks& quirks = call.options.quirks;
  std::size_t most = quirks.page > 0 ? quirks.page : std::numeric_limits<std::size_t>::max();
  const auto n = call.arg("n");
  if (n) {
    const auto asked = parse_u64(*n);
    if (!asked) return FakeRegistry::error(400, "PAGINATION_NUMBER_INVALID");
    most = std::min<std::size_t>(most, *asked);
  }
  std::string after = call.arg("last").value_or("");
  if (const auto token = call.arg("next_page"); quirks.opaque_pages && token) {
    if (!token->starts_with(kPageToken))
      return FakeRegistry::error(400, "PAGINATION_NUMBER_INVALID");
    after = token->substr(kPageToken.size());
  }

  const auto& tags = place->second.tags;
  Json names = Json::array();
  auto next = after.empty() ? tags.begin() : tags.upper_bound(after);
  for (; next != tags.end() && names.size() < most; ++next) names.push_back(next->first);
  const bool more = next != tags.end() && !names.empty();
  const std::string last = more ? names.back().get<std::string>() : "";
  RawResponse response = registry_json(
      {{"name", call.repository}, {"tags", names.empty() && quirks.null_tags ? Json() : names}});
  if (more) {
    const std::string size = "n=" + std::to_string(names.size());
    add_next(call,
             size + (quirks.opaque_pages
                         ? "&next_page=" + http::percent_encode(std::string(kPageToken) + last)
                         : "&last=" + http::percent_encode(last)),
             response);
  }
  return response;
}

RawResponse RegistryState::list_referrers(const RegistryCall& call) const {
  const RegistryQuirks& quirks = call.options.quirks;
  if (!quirks.referrers) return registry_no_route();
  if (!is_registry_digest(call.reference)) return FakeRegistry::error(400, "DIGEST_INVALID");
  const auto wanted = call.arg("artifactType");
  const bool filtered = wanted && quirks.referrers_filters;
  std::vector<Json> all;
  if (const auto place = repositories.find(call.repository); place != repositories.end())
    for (const auto& [digest, manifest] : place->second.manifests)
      if (manifest.subject == call.reference &&
          (!filtered || manifest.descriptor.value("artifactType", "") == *wanted))
        all.push_back(manifest.descriptor);

  const std::size_t from =
      std::min<std::size_t>(parse_u64(call.arg("from").value_or("0")).value_or(0), all.size());
  const std::size_t room = all.size() - from;
  const std::size_t count = quirks.page > 0 ? std::min(quirks.page, room) : room;
  Json page = Json::array();
  for (std::size_t i = from; i < from + count; ++i) page.push_back(all[i]);
  RawResponse response =
      registry_json({{"schemaVersion", 2}, {"mediaType", std::string(kIndex)}, {"manifests", page}},
                    std::string(kIndex));
  if (filtered) response.headers.emplace_back("OCI-Filters-Applied", "artifactType");
  if (count < room) {
    std::string query = "from=" + std::to_string(from + count);
    if (wanted) query += "&artifactType=" + http::percent_encode(*wanted);
    add_next(call, query, response);
  }
  return response;
}

}  // namespace dray::test
