#include "cli/log.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace cella::cli {
namespace {

Error invalid_config() {
  Error error(ErrorCode::kConfigInvalid, "config.json is not valid");
  error.findings = {{"/process/cwd", "must be an absolute path"}, {"", "must be an object"}};
  error.hint = "see `cella spec`";
  return error;
}

TEST(LogTest, TextsOfAnError) {
  EXPECT_EQ(one_line(invalid_config()),
            "config.json is not valid: /process/cwd: must be an absolute path; must be an object (see `cella spec`)");
  EXPECT_EQ(many_lines(invalid_config()),
            "config.json is not valid\n"
            "  /process/cwd: must be an absolute path\n"
            "  must be an object\n"
            "hint: see `cella spec`\n");
  EXPECT_EQ(one_line(Error(Errno{ENOENT}).with("opening x")), "opening x: no such file or directory");
  EXPECT_EQ(many_lines(Error()), "unknown error\n");
}

TEST(LogTest, Records) {
  EXPECT_EQ(log_record(LogFormat::kJson, "error", "a \"b\"\n", "T"),
            "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\n\",\"time\":\"T\"}\n");
  EXPECT_EQ(log_record(LogFormat::kText, "error", "a \"b\"", "T"), "time=\"T\" level=error msg=\"a \\\"b\\\"\"\n");
}

TEST(LogTest, Timestamps) {
  EXPECT_EQ(timestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(timestamp(1709210096), "2024-02-29T12:34:56Z");
}

TEST(LogTest, Format) {
  LogFormat format = LogFormat::kText;
  EXPECT_EQ(store_value(format, "json"), nullptr);
  EXPECT_EQ(format, LogFormat::kJson);
  EXPECT_NE(store_value(format, "xml"), nullptr);
}

}  // namespace
}  // namespace cella::cli
