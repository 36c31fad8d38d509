#include "dray/store/s3_preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/similar.h"
#include "dray/store/dir_files.h"

namespace dray {

namespace {

/// Runs one step; a plain refusal is told with the permission that the step needs.
template <typename Call>
void step(S3Place& place, std::string_view what, std::string_view permission, Call call) {
  try {
    call();
  } catch (const Error& e) {
    const bool refused =
        e.http_status() == 403 && (e.server_code().empty() || e.server_code() == "AccessDenied");
    if (!refused) throw;
    throw Error(e).hint(fmt::format("the credentials may not {}: they need {} on {}", what,
                                    permission, place.client().uri(place.options().prefix)));
  }
}

/// The buckets that the credentials may list; none where they may list none.
std::vector<std::string> buckets(S3Place& place, const std::stop_token& stop) {
  try {
    return place.client().list_buckets(stop);
  } catch (const Error& e) {
    if (e.code() == Code::cancelled) throw;
    debug("the buckets cannot be listed: {}", e.what());
    return {};
  }
}

std::string missing_bucket_hint(S3Place& place, const std::stop_token& stop) {
  const std::string& bucket = place.client().bucket();
  const s3::Endpoint endpoint = place.client().endpoint();
  std::string make = "aws s3 mb s3://" + bucket;
  make += endpoint.aws ? " --region " + endpoint.region
                       : " --endpoint-url " + s3::service_url(endpoint).shown();
  const std::string close =
      nearest(bucket, buckets(place, stop), std::max<std::size_t>(2, bucket.size() / 4));
  if (close.empty())
    return fmt::format("check its name and the endpoint {}, or make it: {}", endpoint.url.origin(),
                       make);
  return fmt::format("did you mean s3://{}? If not, make it: {}", close, make);
}

void check_exists(S3Place& place, const std::stop_token& stop) {
  try {
    place.client().head_bucket(stop);
  } catch (const Error& e) {
    if (e.code() != Code::not_found) throw;
    throw Error(e).hint(missing_bucket_hint(place, stop));
  }
}

void check_writes(S3Place& place, const S3Capabilities& can, const std::stop_token& stop) {
  const std::string key = place.full(".dray/probe/" + dir::random_id());
  const std::string_view content = "dray may write here\n";
  step(place, "write objects", "s3:PutObject", [&] {
    with_retry(place.retry(), stop, [&] {
      place.client().put_object(key, as_bytes(content), place.put_options(can, as_bytes(content)),
                                stop);
    });
  });
  step(place, "remove objects", "s3:DeleteObject",
       [&] { place.client().delete_object(key, stop); });
  std::string id;
  step(place, "write objects in parts", "s3:PutObject", [&] {
    s3::CreateOptions options;
    options.headers = place.options().headers;
    id = place.client().create_upload(key, options, stop);
  });
  step(place, "abort uploads", "s3:AbortMultipartUpload",
       [&] { place.client().abort_upload(key, id, stop); });
}

}  // namespace

void check_bucket(S3Place& place, const std::stop_token& stop) {
  step(place, "list the bucket", "s3:ListBucket", [&] { check_exists(place, stop); });
  // HeadBucket may be allowed where listing is not, and servers of models list.
  step(place, "list the bucket", "s3:ListBucket", [&] {
    s3::ListQuery query;
    query.prefix = place.full(".dray/");
    query.limit = 1;
    place.client().list(query, stop);
  });
  step(place, "list unfinished uploads", "s3:ListBucketMultipartUploads",
       [&] { place.client().list_uploads(place.full(".dray/probe/"), stop); });
  if (!place.known()) {
    // Asking writes, aborts and removes as an import does.
    step(place, "write, abort and remove objects",
         "s3:PutObject, s3:AbortMultipartUpload and s3:DeleteObject",
         [&] { place.capabilities(stop); });
    return;
  }
  check_writes(place, place.capabilities(stop), stop);
}

}  // namespace dray
