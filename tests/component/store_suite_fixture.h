// The conformance suite of stores: each test runs on every kind of store.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "tests/support/random.h"
#include "tests/support/store_kinds.h"
#include "tests/support/store_objects.h"
#include "tests/support/store_suite.h"

namespace dray::test {

inline const std::stop_token kGo;

class StoreSuite : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    store_ = place_->open();
    store_->preflight(kGo);
  }

  /// Bytes for so many full parts and a bit.
  Buffer content(std::uint64_t salt, std::uint64_t full_parts = 1) const {
    return pattern(static_cast<std::size_t>(full_parts * store_->layout(0).part_size + 1234), salt);
  }
  StoredObject upload(const std::string& key, const Buffer& bytes) {
    const auto up = store_->begin(spec_of(key, bytes), nullptr, kGo);
    return up->commit(put_all(*up, bytes), Sha256::hex_of(bytes), kGo);
  }
  StoredObject create(const std::string& key, const std::string& text) {
    const Bytes bytes = as_bytes(text);
    const Buffer copy(bytes.begin(), bytes.end());
    return store_->create(spec_of(key, copy), copy, Sha256::hex_of(copy), kGo);
  }
  Buffer read(const std::string& key, std::uint64_t size, const std::string& etag = "") {
    Buffer out(static_cast<std::size_t>(size));
    store_->read(key, etag, 0, out, kGo);
    return out;
  }
  static std::vector<std::string> keys(const std::vector<Listed>& listed) {
    std::vector<std::string> out;
    for (const auto& item : listed) out.push_back(item.key);
    return out;
  }
  template <typename Call>
  static Code code_of(Call call) {
    try {
      call();
    } catch (const Error& e) {
      return e.code();
    }
    ADD_FAILURE() << "no error";
    return Code::internal;
  }

  std::unique_ptr<StorePlace> place_;
  std::unique_ptr<Store> store_;
};

}  // namespace dray::test
