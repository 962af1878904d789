#include <cerrno>

#include <gtest/gtest.h>

#include "base/result.h"

namespace cella {
namespace {

SysResult<int> fails() {
  return std::unexpected(Errno{ENOENT});
}
SysResult<int> succeeds() {
  return 7;
}

Result<int> outer(bool fail, const char* path) {
  int value = TRY(fail ? fails() : succeeds(), "opening {}", path);
  return value;
}

TEST(Error, TextIsTheChainOutermostFirst) {
  Result<int> result = outer(true, "/etc/x");
  ASSERT_FALSE(result);
  Error error = std::move(result).error().with("creating container web");
  EXPECT_EQ(error.text(), "creating container web: opening /etc/x: no such file or directory");
  EXPECT_EQ(error.errno_value, ENOENT);
}

TEST(Error, TryGivesTheValue) {
  EXPECT_EQ(outer(false, "x").value(), 7);
}

TEST(Error, MessageWithoutErrno) {
  EXPECT_EQ(Error(ErrorCode::kInvalidArgument, "bad signal").with("kill").text(), "kill: bad signal");
}

TEST(Error, ErrnoTextKeepsAcronyms) {
  EXPECT_EQ(errno_text(EPERM), "operation not permitted");
  EXPECT_EQ(errno_text(EROFS), "read-only file system");
  EXPECT_EQ(errno_text(EMEDIUMTYPE), "wrong medium type");
}

}  // namespace
}  // namespace cella
