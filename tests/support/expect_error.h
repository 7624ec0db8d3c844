// expect_error.h: a failure is checked by its exit code and by what its message has to name.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "framework/core/check.h"

namespace espalier::testing {

/// Runs `act`, which must throw Error with `code`; its message must contain each of `parts`.
template <class Act>
void expect_error(ExitCode code, std::initializer_list<std::string> parts, Act&& act) {
  try {
    act();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.what();
    for (const auto& part : parts)
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos)
          << "the message does not name \"" << part << "\":\n  " << e.what();
  }
}

}  // namespace espalier::testing
