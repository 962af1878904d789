#include "plan/print.h"

#include <gtest/gtest.h>

#include "json/value.h"
#include "plan/golden_cases.h"

namespace cella::plan {
namespace {

Plan plan_of(void (*add)(Writer&)) {
  Writer writer;
  add(writer);
  return std::move(writer).finish();
}

TEST(ToText, QuotesWhatATerminalWouldObey) {
  Plan plan = plan_of([](Writer& w) {
    w.step(Op::kHostname, {w.string("a b\x1b[2J\xc2\x9b\n\t\"\\")});
    w.step(Op::kHostname, {w.string("")});
    w.step(Op::kHostname, {w.string("plain-1.2/x:y")});
  });
  EXPECT_EQ(to_text(plan),
            "  1  init      set the hostname to \"a b\\x1b[2J\\xc2\\x9b\\n\\t\\\"\\\\\"\n"
            "  2  init      set the hostname to \"\"\n"
            "  3  init      set the hostname to plain-1.2/x:y\n");
}

TEST(ToText, NamesWhatItKnowsAndShowsTheRest) {
  Plan plan = plan_of([](Writer& w) {
    w.step(Op::kUnshare, {0x20000000 | 1});
    w.step(Op::kSync, {77, kNoSlot, 0});
    w.step(Op::kRlimit, {99, ~uint64_t{0}, 0});
    w.step(Op::kAffinity, {w.blob(std::string("\x8f\x00\x00\x00\x00\x00\x00\x80\x01", 9))});
    w.step(Op::kMountAttributes, {0, 0x70, 0, 1});
    w.step(Op::kBoundingSet, {(uint64_t{1} << 41) - 1});
  });
  EXPECT_EQ(to_text(plan),
            "  1  init      create namespaces: pid,0x1\n"
            "  2  init      tell the runtime \"point 77\" and wait\n"
            "  3  init      limit resource 99 to unlimited, at most 0\n"
            "  4  init      run on the CPUs 0-3,7,63-64\n"
            "  5  init      change it and its submounts: clear atime\n"
            "  6  init      limit the capability bounding set to all\n");
}

TEST(ToJson, HasTheTablesNamesInItsOrder) {
  Plan plan = plan_of([](Writer& w) {
    w.step(Op::kOpenDirectory, {0, w.string("/b/\"rootfs\"")});
    w.step(Op::kConsole, {kNoSlot, 80, 25, 0, 1});
    w.step(Op::kMakeNode, {w.string("/dev/null"), 020666, 0x103, 0, 5});
    w.step(Op::kCapabilities, {1, 3, 0});
    w.step(Op::kGroups, {w.blob(std::string("\5\0\0\0\xff\xff\xff\xff", 8))});
    w.step(Op::kRlimit, {7, 5, ~uint64_t{0}});
    w.step(Op::kExecute, {w.list({"sh", ""}), w.list({})});
  });
  EXPECT_EQ(to_json(plan),
            R"({"steps":[{"n":1,"by":"launcher","op":"open-directory","slot":0,"path":"/b/\"rootfs\""},)"
            R"({"n":2,"by":"init","op":"console","socket":null,"width":80,"height":25,"uid":0,"bind":true},)"
            R"({"n":3,"by":"init","op":"make-node","path":"/dev/null","mode":"c 0666","device":"1:3","uid":0,"gid":5},)"
            R"({"n":4,"by":"init","op":"capabilities","effective":["CAP_CHOWN"],)"
            R"("permitted":["CAP_CHOWN","CAP_DAC_OVERRIDE"],"inheritable":[]},)"
            R"({"n":5,"by":"init","op":"groups","gids":[5,4294967295]},)"
            R"({"n":6,"by":"init","op":"rlimit","resource":"RLIMIT_NOFILE","soft":5,"hard":18446744073709551615},)"
            R"({"n":7,"by":"init","op":"execute","args":["sh",""],"env":[]}]})"
            "\n");
}

TEST(ToJson, IsJsonForEveryCase) {
  for (const GoldenCase& one : all_cases()) {
    Result<Built> built = input_of(one).build();
    ASSERT_TRUE(built);
    EXPECT_TRUE(json::parse(to_json(built->plan))) << one.name;
  }
}

}  // namespace
}  // namespace cella::plan
