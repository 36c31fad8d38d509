#include "dray/s3/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "dray/base/digest.h"
#include "dray/base/error.h"

namespace dray::s3 {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::int64_t kLongestUrl = 604'800;  // seven days, S3's own limit
constexpr std::size_t kKeptKeys = 8;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// Trimmed, each run of white space made one space.
std::string tidy(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t';
    if (!space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

bool is_signed(std::string_view name) {
  return name == "content-md5" || name == "content-type" || name == "range" ||
         name.starts_with("x-amz-");
}

std::array<std::byte, 32> hmac(Bytes key, std::string_view message) {
  return hmac_sha256(key, as_bytes(message));
}

std::string day(UnixTime time) { return amz_date(time).substr(0, 8); }

bool has_token(const Signer& signer) {
  return signer.session_token != nullptr && !signer.session_token->empty();
}

}  // namespace

std::string payload_hash(Bytes body) {
  return body.empty() ? std::string(kEmptyPayload) : Sha256::hex_of(body);
}

std::string encode_path(std::string_view path) { return http::percent_encode(path, true); }

std::string canonical_query(const Query& query) {
  Query encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query)
    encoded.emplace_back(http::percent_encode(name), http::percent_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

std::string amz_date(UnixTime time) {
  std::string out;
  for (const char c : rfc3339(time))
    if (c != '-' && c != ':') out += c;
  return out;
}

std::string credential_scope(const Signer& signer) {
  return day(signer.time) + "/" + signer.region + "/" + signer.service + "/aws4_request";
}

CanonicalRequest canonical_request(std::string_view method, const http::Url& url,
                                   const http::Headers& headers, std::string_view payload) {
  std::map<std::string, std::string> fields{{"host", url.authority()}};
  for (const auto& [name, value] : headers.fields()) {
    const std::string key = lower(name);
    if (!is_signed(key)) continue;
    const auto [at, is_new] = fields.emplace(key, tidy(value));
    if (!is_new) at->second += "," + tidy(value);
  }
  CanonicalRequest out;
  std::string lines;
  for (const auto& [name, value] : fields) {
    lines += name + ":" + value + "\n";
    if (!out.signed_headers.empty()) out.signed_headers += ';';
    out.signed_headers += name;
  }
  out.text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, url.path,
                         canonical_query(http::parse_query(url.query)), lines, out.signed_headers,
                         payload);
  return out;
}

std::string string_to_sign(const Signer& signer, std::string_view canonical_request) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, amz_date(signer.time), credential_scope(signer),
                     Sha256::hex_of(as_bytes(canonical_request)));
}

std::array<std::byte, 32> SigningKeys::get(const Signer& signer) {
  const std::string scope = credential_scope(signer);
  const std::string& secret = signer.secret_access_key->reveal();
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_)
    if (entry.scope == scope && entry.access_key_id == signer.access_key_id &&
        entry.secret.reveal() == secret)
      return entry.key;
  const Secret start("AWS4" + secret);
  auto key = hmac(as_bytes(start.reveal()), day(signer.time));
  key = hmac(key, signer.region);
  key = hmac(key, signer.service);
  key = hmac(key, "aws4_request");
  if (entries_.size() == kKeptKeys) entries_.erase(entries_.begin());
  entries_.push_back({scope, signer.access_key_id, *signer.secret_access_key, key});
  return key;
}

std::string signature(const Signer& signer, std::string_view string_to_sign, SigningKeys& keys) {
  return to_hex(hmac(keys.get(signer), string_to_sign));
}

void sign(std::string_view method, const http::Url& url, http::Headers& headers,
          std::string_view payload, const Signer& signer, SigningKeys& keys) {
  headers.set("x-amz-date", amz_date(signer.time));
  if (signer.service == "s3") headers.set("x-amz-content-sha256", std::string(payload));
  if (has_token(signer)) headers.set("x-amz-security-token", signer.session_token->reveal());
  const CanonicalRequest request = canonical_request(method, url, headers, payload);
  headers.set("Authorization",
              fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                          signer.access_key_id, credential_scope(signer), request.signed_headers,
                          signature(signer, string_to_sign(signer, request.text), keys)));
}

std::string presign(std::string_view method, http::Url url, std::int64_t seconds,
                    const Signer& signer, SigningKeys& keys) {
  if (seconds < 1 || seconds > kLongestUrl)
    throw Error(Code::usage, "a presigned URL is valid for 1 second to 7 days")
        .on("presign", url.shown());
  Query query = http::parse_query(url.query);
  query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  query.emplace_back("X-Amz-Credential", signer.access_key_id + "/" + credential_scope(signer));
  query.emplace_back("X-Amz-Date", amz_date(signer.time));
  query.emplace_back("X-Amz-Expires", std::to_string(seconds));
  query.emplace_back("X-Amz-SignedHeaders", "host");
  if (has_token(signer)) query.emplace_back("X-Amz-Security-Token", signer.session_token->reveal());
  url.query = canonical_query(query);
  const CanonicalRequest request = canonical_request(method, url, {}, kUnsignedPayload);
  const std::string signed_text = string_to_sign(signer, request.text);
  return url.text() + "&X-Amz-Signature=" + signature(signer, signed_text, keys);
}

}  // namespace dray::s3
