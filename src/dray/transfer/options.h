// Knobs of a transfer.
#pragma once

#include <chrono>
#include <cstdint>

#include "dray/base/bytes.h"
#include "dray/http/retry.h"

namespace dray {

struct TransferOptions {
  std::uint64_t memory =
      256 * kMiB;                  // whole process; buffers get this less 64 MiB, at least one part
  int connections = 16;            // fetches in flight, also bounded by memory ÷ block
  int uploads = 4;                 // parts being stored at once
  std::uint64_t block = 8 * kMiB;  // one read of the source
  std::uint64_t limit_rate = 0;    // bytes a second, 0 = none
  http::RetryPolicy retry;         // per part: fetches and puts together
  std::chrono::milliseconds journal_every{10'000};
  std::chrono::seconds claim_ttl{60};  // a claim not renewed for so long is dead
  std::chrono::seconds lock_wait{0};   // how long to wait for another writer before Code::locked
};

}  // namespace dray
