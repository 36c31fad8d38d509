// Tests of failures.
#pragma once

#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray::test {

/// The dray::Error that `action` throws; a test failure if it throws none.
template <typename Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Code::internal, "nothing was thrown");
}

}  // namespace dray::test
