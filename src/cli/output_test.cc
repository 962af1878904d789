#include "cli/output.h"

#include <gtest/gtest.h>

namespace cella::cli {
namespace {

TEST(OutputTest, JsonStrings) {
  EXPECT_EQ(json_string("plain"), "\"plain\"");
  EXPECT_EQ(json_string("a\"b\\c\n\t\x01\x7f"), R"("a\"b\\c\n\t\u0001\u007f")");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(OutputTest, JsonStringsStayValidUtf8) {
  EXPECT_EQ(json_string("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8b"), "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8b\"");
  EXPECT_EQ(json_string("\xff"), R"("\ufffd")");
  EXPECT_EQ(json_string("\xc3"), R"("\ufffd")");
  EXPECT_EQ(json_string("\xc0\x80"), R"("\ufffd\ufffd")");
  EXPECT_EQ(json_string("\xed\xa0\x80x"), R"("\ufffd\ufffd\ufffdx")");
  EXPECT_EQ(json_string("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");
}

TEST(OutputTest, NothingReachesATerminalThatItObeys) {
  EXPECT_EQ(printable("a\tb\n\xc3\xa9\xe2\x80\xa6"), "a\tb\n\xc3\xa9\xe2\x80\xa6");
  EXPECT_EQ(printable("\x1b[2J\r\x7f"), "\\x1b[2J\\x0d\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J\xc2\xa0"),
            "\\x9b2J\xc2\xa0");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

// The layout that `runc list` prints.
TEST(OutputTest, Tables) {
  EXPECT_EQ(table_text({{"ID", "PID", "OWNER"}, {"a-long-container-name", "3658", "root"}}),
            "ID                      PID         OWNER\n"
            "a-long-container-name   3658        root\n");
  EXPECT_EQ(table_text({{"\xc3\xa9", "b"}}), "\xc3\xa9           b\n");
}

}  // namespace
}  // namespace cella::cli
