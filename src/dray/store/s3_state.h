// Small objects of the S3 store.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dray/store/races.h"
#include "dray/store/s3_place.h"
#include "dray/store/state.h"

namespace dray {

class S3State : public StateStore, public MayRace {
 public:
  explicit S3State(std::shared_ptr<S3Place> place) : place_(std::move(place)) {}
  std::optional<std::string> get(const std::string& key, const std::stop_token& stop) override;
  bool create_if_absent(const std::string& key, std::string_view content,
                        const std::stop_token& stop) override;
  bool excludes_races(const std::stop_token& stop) override {
    return place_->capabilities(stop).put_if_absent;
  }
  void put(const std::string& key, std::string_view content, const std::stop_token& stop) override;
  std::vector<StateItem> list(const std::string& prefix, const std::stop_token& stop) override;
  void remove(const std::string& key, const std::stop_token& stop) override;

 private:
  s3::PutOptions options(const S3Capabilities& can, std::string_view content) const;
  bool create_guarded(const std::string& key, std::string_view content, s3::PutOptions options,
                      const std::stop_token& stop);

  const std::shared_ptr<S3Place> place_;
};

}  // namespace dray
