#include "dray/store/s3_preflight.h"

#include <fmt/format.h>

#include <string>

#include "dray/base/error.h"
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
  step(place, "list the bucket", "s3:ListBucket", [&] { place.client().head_bucket(stop); });
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
