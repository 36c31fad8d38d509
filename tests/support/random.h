// Random test data that a failing run can be repeated with.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "dray/base/bytes.h"

namespace dray::test {

/// The seed of this run: DRAY_TEST_SEED or random.
std::uint64_t seed();
void print_seed();
/// A generator for one test; `salt` keeps tests apart.
std::mt19937_64 generator(std::uint64_t salt = 0);
/// `size` bytes that depend only on `salt` (not on the seed).
Buffer pattern(std::size_t size, std::uint64_t salt);

}  // namespace dray::test
