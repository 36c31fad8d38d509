#include "tests/support/fake_s3_auth.h"

#include <algorithm>
#include <cstdlib>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/time.h"

namespace dray::test {

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == separator)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

/// Path with each segment decoded and encoded again: what a server computes from what it received.
std::string canonical_path(std::string_view path) {
  std::string out;
  for (const std::string& segment : split(path, '/'))
    out += fake_encode(fake_decode(segment)) + "/";
  out.pop_back();
  return out;
}

std::string canonical_query(const FakeQuery& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : query)
    if (name != "X-Amz-Signature") encoded.emplace_back(fake_encode(name), fake_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

/// All values of a header: trimmed, runs of spaces made one, joined by commas.
std::string canonical_value(const RawRequest& request, const std::string& name) {
  std::string out;
  bool first = true;
  for (const auto& [field, value] : request.headers) {
    if (field != name) continue;
    if (!first) out += ',';
    first = false;
    for (const char c : value)
      if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  return out;
}

std::string hmac_hex(const std::array<std::byte, 32>& key, std::string_view text) {
  return to_hex(hmac_sha256(key, as_bytes(text)));
}

std::array<std::byte, 32> chain(Bytes key, std::string_view text) {
  return hmac_sha256(key, as_bytes(text));
}

/// What the request states about its signature, from the header or from the query.
struct Claim {
  std::string access_key, day, region, service, signed_headers, signature, date, token, payload;
  std::int64_t valid = 0;  // seconds, of a presigned URL; else 0
};

std::string after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return "";
  text.remove_prefix(at + mark.size());
  return std::string(text.substr(0, text.find_first_of(", ")));
}

std::optional<Claim> read_claim(const RawRequest& request, const FakeQuery& query) {
  Claim claim;
  std::string credential;
  const std::string authorization = request.header("authorization");
  if (authorization.starts_with("AWS4-HMAC-SHA256 ")) {
    credential = after(authorization, "Credential=");
    claim.signed_headers = after(authorization, "SignedHeaders=");
    claim.signature = after(authorization, "Signature=");
    claim.date = request.header("x-amz-date");
    claim.token = request.header("x-amz-security-token");
    claim.payload = request.header("x-amz-content-sha256");
  } else if (fake_get(query, "X-Amz-Algorithm") == "AWS4-HMAC-SHA256") {
    credential = fake_get(query, "X-Amz-Credential");
    claim.signed_headers = fake_get(query, "X-Amz-SignedHeaders");
    claim.signature = fake_get(query, "X-Amz-Signature");
    claim.date = fake_get(query, "X-Amz-Date");
    claim.token = fake_get(query, "X-Amz-Security-Token");
    claim.payload = "UNSIGNED-PAYLOAD";
    claim.valid = std::atoll(fake_get(query, "X-Amz-Expires").c_str());
  } else {
    return std::nullopt;
  }
  const auto scope = split(credential, '/');
  if (scope.size() != 5 || scope[4] != "aws4_request") return std::nullopt;
  claim.access_key = scope[0];
  claim.day = scope[1];
  claim.region = scope[2];
  claim.service = scope[3];
  return claim;
}

std::optional<std::int64_t> parse_date(const std::string& date) {
  if (date.size() != 16 || date[8] != 'T' || date[15] != 'Z') return std::nullopt;
  return parse_rfc3339(date.substr(0, 4) + "-" + date.substr(4, 2) + "-" + date.substr(6, 5) + ":" +
                       date.substr(11, 2) + ":" + date.substr(13, 2) + "Z");
}

std::string expected_signature(const RawRequest& request, const FakeQuery& query,
                               const Claim& claim, const std::string& secret) {
  std::string canonical =
      request.method + "\n" + canonical_path(request.path) + "\n" + canonical_query(query) + "\n";
  for (const std::string& name : split(claim.signed_headers, ';'))
    canonical += name + ":" + canonical_value(request, name) + "\n";
  canonical += "\n" + claim.signed_headers + "\n" + claim.payload;
  const std::string scope = claim.day + "/" + claim.region + "/" + claim.service + "/aws4_request";
  const std::string text =
      "AWS4-HMAC-SHA256\n" + claim.date + "\n" + scope + "\n" + Sha256::hex_of(as_bytes(canonical));
  auto key = chain(as_bytes("AWS4" + secret), claim.day);
  key = chain(key, claim.region);
  key = chain(key, claim.service);
  key = chain(key, "aws4_request");
  return hmac_hex(key, text);
}

std::optional<RawResponse> check_headers(const RawRequest& request, const Claim& claim) {
  const auto names = split(claim.signed_headers, ';');
  const auto is_signed = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!std::is_sorted(names.begin(), names.end()) || !is_signed("host"))
    return FakeS3::error(403, "AccessDenied", "host is not signed or the list is not sorted");
  for (const auto& [name, value] : request.headers)
    if (name.starts_with("x-amz-") && !is_signed(name))
      return FakeS3::error(403, "AccessDenied", "header not signed: " + name);
  return std::nullopt;
}

std::optional<RawResponse> check_payload(const RawRequest& request, const Claim& claim) {
  if (claim.payload.empty())
    return FakeS3::error(400, "InvalidRequest", "Missing required header: x-amz-content-sha256");
  if (claim.payload == "UNSIGNED-PAYLOAD") return std::nullopt;
  if (claim.payload != Sha256::hex_of(as_bytes(request.body)))
    return FakeS3::error(400, "XAmzContentSHA256Mismatch", "the body has another SHA-256");
  return std::nullopt;
}

std::optional<RawResponse> check_time(const Claim& claim, std::int64_t now) {
  const auto date = parse_date(claim.date);
  if (!date || claim.date.substr(0, 8) != claim.day)
    return FakeS3::error(403, "AccessDenied", "x-amz-date is malformed or of another day");
  if (claim.valid != 0) {
    if (claim.valid < 1 || claim.valid > 604800)
      return FakeS3::error(400, "AuthorizationQueryParametersError", "X-Amz-Expires");
    if (now > *date + claim.valid) return FakeS3::error(403, "AccessDenied", "Request has expired");
  } else if (std::abs(now - *date) > 900) {
    return FakeS3::error(403, "RequestTimeTooSkewed", "the clocks differ too much");
  }
  return std::nullopt;
}

}  // namespace

std::string fake_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string fake_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

FakeQuery fake_query(std::string_view query) {
  FakeQuery out;
  if (query.empty()) return out;
  for (const std::string& item : split(query, '&')) {
    const std::size_t equals = item.find('=');
    out.emplace_back(fake_decode(item.substr(0, equals)),
                     equals == std::string::npos ? "" : fake_decode(item.substr(equals + 1)));
  }
  return out;
}

std::string fake_get(const FakeQuery& query, std::string_view name) {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return "";
}

std::optional<RawResponse> check_signature(const RawRequest& request, const FakeS3Options& options,
                                           const std::set<std::string>& expired_tokens,
                                           std::int64_t now) {
  const FakeQuery query = fake_query(request.query);
  const auto claim = read_claim(request, query);
  if (!claim) return FakeS3::error(403, "AccessDenied", "the request is not signed");
  if (auto refusal = check_payload(request, *claim)) return refusal;
  if (claim->access_key != options.access_key)
    return FakeS3::error(403, "InvalidAccessKeyId", "no such access key");
  if (!options.region.empty() && claim->region != options.region) {
    RawResponse refusal = FakeS3::error(400, "AuthorizationHeaderMalformed", "the region is wrong");
    const std::size_t end = refusal.body.find("</Error>");
    refusal.body.insert(end, "<Region>" + options.region + "</Region>");
    refusal.headers.emplace_back("x-amz-bucket-region", options.region);
    return refusal;
  }
  if (claim->service != "s3") return FakeS3::error(403, "AccessDenied", "the service is wrong");
  if (expired_tokens.contains(claim->token))
    return FakeS3::error(400, "ExpiredToken", "the provided token has expired");
  if (claim->token != options.session_token)
    return FakeS3::error(400, "InvalidToken", "the provided token is malformed or invalid");
  if (auto refusal = check_time(*claim, now)) return refusal;
  if (auto refusal = check_headers(request, *claim)) return refusal;
  if (claim->signature != expected_signature(request, query, *claim, options.secret_key))
    return FakeS3::error(403, "SignatureDoesNotMatch", "the signature is another");
  return std::nullopt;
}

}  // namespace dray::test
