#include "cli/process_table.h"

#include <gtest/gtest.h>

namespace cella::cli {
namespace {

constexpr const char* kTable =
    "UID        PID  PPID CMD\n"
    "root         1     0 init\n"
    "root        42     1 sleep 60\n"
    "root        60    42 sh -c 42\n"
    "broken\n";

TEST(ProcessTableTest, KeepsTheRowsOfTheProcesses) {
  EXPECT_EQ(rows_of(kTable, {1, 42}).value(),
            "UID        PID  PPID CMD\n"
            "root         1     0 init\n"
            "root        42     1 sleep 60\n");
  EXPECT_EQ(rows_of(kTable, {}).value(), "UID        PID  PPID CMD\n");
}

// Columns before the pid may have any number of words.
TEST(ProcessTableTest, FindsTheColumnWhereverItIs) {
  constexpr const char* kOtherOrder =
      "COMMAND                      PID USER\n"
      "sh -c 42 x                    60 root\n"
      "na\u00efve 1                       42 root\n"
      "init                           1 root\n";
  EXPECT_EQ(rows_of(kOtherOrder, {42}).value(),
            "COMMAND                      PID USER\n"
            "na\u00efve 1                       42 root\n");
  EXPECT_EQ(rows_of("PID CMD\n7 left\n70 right\n", {7}).value(), "PID CMD\n7 left\n");
}

TEST(ProcessTableTest, NeedsAPidColumn) {
  EXPECT_EQ(rows_of("CMD\ninit\n", {1}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(rows_of("", {1}));
}

TEST(ProcessTableTest, JsonArray) {
  EXPECT_EQ(json_array({}), "[]");
  EXPECT_EQ(json_array({1, 42}), "[1,42]");
}

}  // namespace
}  // namespace cella::cli
