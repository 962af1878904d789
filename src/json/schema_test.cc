#include "json/schema.h"

#include <gtest/gtest.h>

namespace cella::test {

enum class Color { kRed, kGreen };
struct Inner {
  std::string name;
  std::optional<int16_t> level;
  friend bool operator==(const Inner&, const Inner&) = default;
};
struct Outer {
  bool flag = false;
  uint32_t count = 0;
  int64_t offset = 0;
  double unused = 0;
  Color color = Color::kRed;
  std::vector<std::string> words;
  std::map<std::string, Inner> inners;
  std::optional<Inner> maybe;
  Inner flat;
  friend bool operator==(const Outer&, const Outer&) = default;
};

std::span<const json::Name<Color>> names_of(json::Type<Color>) {
  static constexpr json::Name<Color> kNames[] = {{"red", Color::kRed}, {"green", Color::kGreen}, {"rot", Color::kRed}};
  return kNames;
}
std::span<const json::Field<Inner>> fields_of(json::Type<Inner>) {
  static constexpr json::Field<Inner> kFields[] = {
      json::field<&Inner::name>("name").required(),
      json::field<&Inner::level>("level").range(-2, 9),
  };
  return kFields;
}
std::span<const json::Field<Outer>> fields_of(json::Type<Outer>) {
  static constexpr json::Field<Outer> kFields[] = {
      json::field<&Outer::flag>("flag"),     json::field<&Outer::count>("count").required(),
      json::field<&Outer::offset>("offset"), json::field<&Outer::color>("color").required(),
      json::field<&Outer::words>("words"),   json::field<&Outer::inners>("inners"),
      json::field<&Outer::maybe>("maybe"),   json::field<&Outer::flat, &Inner::name>("flatName"),
  };
  return kFields;
}

struct Read {
  Outer outer;
  std::string findings;
  std::string warnings;
};
Read read(std::string_view text) {
  Read result;
  json::Report report;
  auto document = json::parse(text);
  if (!document) return result;
  json::read(document->root(), result.outer, report);
  for (const Finding& f : report.findings) result.findings += f.pointer + " " + f.message + "\n";
  for (const Finding& f : report.warnings) result.warnings += f.pointer + " " + f.message + "\n";
  return result;
}

TEST(Schema, ReadsAndWritesBack) {
  const char* text = R"({"flag":true,"count":7,"offset":-3,"color":"green","words":["a","b"],)"
                     R"("inners":{"x":{"name":"n","level":-2}},"maybe":{"name":""},"flatName":"f"})";
  Read result = read(text);
  EXPECT_EQ(result.findings, "");
  EXPECT_EQ(result.outer.inners["x"].level, -2);
  EXPECT_EQ(result.outer.flat.name, "f");
  json::Writer writer;
  json::write(result.outer, writer);
  EXPECT_EQ(writer.text(), text);
}

TEST(Schema, LeavesOutWhatIsEmpty) {
  json::Writer writer;
  json::write(Outer{}, writer);
  EXPECT_EQ(writer.text(), R"({"count":0,"color":"red"})");
}

TEST(Schema, SecondNameOfAValueIsReadButNotWritten) {
  EXPECT_EQ(read(R"({"count":1,"color":"rot"})").outer.color, Color::kRed);
  EXPECT_STREQ(json::name_of(Color::kRed), "red");
}

TEST(Schema, NullIsAbsentAndUnknownIsAWarning) {
  Read result = read(R"({"count":1,"color":"red","words":null,"x/y":{"z":1}})");
  EXPECT_EQ(result.findings, "");
  EXPECT_EQ(result.warnings, "/x~1y is not a known property and is ignored\n");
}

TEST(Schema, ReportsEverythingAtOnce) {
  Read result = read(R"({"flag":1,"count":-1,"offset":1.0,"color":"blue","words":["a",null,3],)"
                     R"("inners":{"x":{"level":10},"y":[]},"maybe":"no","flatName":{}})");
  EXPECT_EQ(result.findings,
            "/flag must be true or false, not 1\n"
            "/count must be an integer between 0 and 4294967295, not -1\n"
            "/offset must be an integer between -9223372036854775808 and 9223372036854775807, not 1.0\n"
            "/color must be one of \"red\", \"green\", \"rot\", not \"blue\"\n"
            "/words/1 must be a string, not null\n"
            "/words/2 must be a string, not 3\n"
            "/inners/x/level must be an integer between -2 and 9, not 10\n"
            "/inners/x/name is required\n"
            "/inners/y must be an object, not an array\n"
            "/maybe must be an object, not a string\n"
            "/flatName must be a string, not an object\n");
}

TEST(Schema, Integers) {
  auto finding = [](const std::string& number) { return read(R"({"color":"red","count":)" + number + "}").findings; };
  EXPECT_EQ(finding("4294967295"), "");
  const char* kRange = "/count must be an integer between 0 and 4294967295, not ";
  EXPECT_EQ(finding("4294967296"), std::string(kRange) + "4294967296\n");
  EXPECT_EQ(finding("1.5"), std::string(kRange) + "1.5\n");
  EXPECT_EQ(finding("\"5\""), std::string(kRange) + "a string\n");
  EXPECT_EQ(finding("18446744073709551616"), std::string(kRange) + "1.8446744073709552e+19\n");
  EXPECT_EQ(finding("true"), std::string(kRange) + "true\n");
  EXPECT_EQ(finding("null"), "/count is required\n");
}

TEST(Schema, FindingsAreBounded) {
  std::string text = R"({"color":"red","count":1,"words":[0)";
  for (int i = 0; i < 5000; ++i) text += ",0";
  json::Report report;
  Outer outer;
  auto document = json::parse(text + "]}");
  json::read(document->root(), outer, report);
  ASSERT_EQ(report.findings.size(), json::Report::kMaximum + 1);
  EXPECT_EQ(report.findings.back().message, "has more than 500 findings; the rest is not listed");
}

TEST(Report, OnlyNewDropsWhatFollowsFromAnEarlierFinding) {
  json::Report report;
  {
    json::At a(report, "a");
    report.fail("is wrong");
  }
  report.only_new();
  {
    json::At a(report, "a");
    report.fail_in("b", "follows from it");
    report.fail("follows from it");
  }
  report.fail_in("ab", "is another");
  EXPECT_EQ(report.findings, (std::vector<Finding>{{"/a", "is wrong"}, {"/ab", "is another"}}));
}

TEST(Report, QuotesWhatItShows) {
  EXPECT_EQ(json::quoted("a\"b\n"), "\"a\\\"b\\x0a\"");
  EXPECT_EQ(json::quoted(std::string(100, 'x')), "\"" + std::string(64, 'x') + "\"…");
}

}  // namespace cella::test
