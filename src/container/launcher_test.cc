// What the launcher makes of init's errors. Launching itself is tested with the binary.
#include "container/launcher.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace cella::container {
namespace {

plan::Plan two_steps() {
  plan::Writer writer;
  writer.step(plan::Op::kNewSession);
  writer.step(plan::Op::kWorkingDirectory, {writer.string("/data")}, "changing the working directory to /data");
  return std::move(writer).finish();
}

plan::InitMessage message_of(uint32_t step, int errno_value, const char* detail) {
  plan::InitMessage message = {};
  message.kind = plan::InitMessage::kError;
  message.step = step;
  message.errno_value = errno_value;
  std::strncpy(message.detail, detail, sizeof message.detail);
  return message;
}

TEST(ErrorOf, SaysWhatTheStepWasAboutAndWhy) {
  Error error = error_of(two_steps(), message_of(1, ENOENT, ""));
  EXPECT_EQ(error.code, ErrorCode::kSystemError);
  EXPECT_EQ(error.errno_value, ENOENT);
  EXPECT_EQ(error.text(), "changing the working directory to /data: no such file or directory");
}

TEST(ErrorOf, PutsInitsOwnWordsBetween) {
  EXPECT_EQ(error_of(two_steps(), message_of(1, EACCES, "looking at it")).text(),
            "changing the working directory to /data: looking at it: permission denied");
  EXPECT_EQ(error_of(two_steps(), message_of(1, 0, "it is outside of the root")).text(),
            "changing the working directory to /data: it is outside of the root");
}

TEST(ErrorOf, AStepThatIsAboutNothingIsLeftOut) {
  EXPECT_EQ(error_of(two_steps(), message_of(0, EPERM, "")).text(), "operation not permitted");
}

TEST(ErrorOf, BelievesNeitherTheStepNorTheEndOfTheText) {
  plan::InitMessage message = message_of(7, EPERM, "");
  std::memset(message.detail, 'x', sizeof message.detail);
  EXPECT_EQ(error_of(two_steps(), message).text(),
            std::string(sizeof message.detail, 'x') + ": operation not permitted");
}

}  // namespace
}  // namespace cella::container
