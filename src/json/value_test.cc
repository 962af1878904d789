#include "json/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace cella::json {
namespace {

std::string error_of(std::string_view text) {
  auto document = parse(text);
  if (document) return "";
  const Finding& finding = document.error().at(0);
  return finding.pointer + " " + finding.message;
}

TEST(Value, ReadsEveryKind) {
  auto document = parse(R"( {"n":null,"t":true,"f":false,"i":-5,"u":18446744073709551615,"d":1.5,
                             "s":"a\u00e9\n","a":[1,[],{}],"o":{"x":{}}} )");
  ASSERT_TRUE(document);
  const Value& root = document->root();
  ASSERT_TRUE(root.is(Kind::kObject));
  EXPECT_EQ(root.object().size(), 9u);
  EXPECT_EQ(root.object()[3].key, "i");
  EXPECT_TRUE(root.find("n")->is(Kind::kNull));
  EXPECT_TRUE(root.find("t")->boolean());
  EXPECT_FALSE(root.find("f")->boolean());
  EXPECT_EQ(root.find("i")->integer(), -5);
  EXPECT_EQ(root.find("u")->unsigned_integer(), UINT64_MAX);
  EXPECT_EQ(root.find("d")->number(), 1.5);
  EXPECT_EQ(root.find("s")->string(), "a\xc3\xa9\n");
  EXPECT_EQ(root.find("a")->array().size(), 3u);
  EXPECT_TRUE(root.find("a")->array()[2].is(Kind::kObject));
  EXPECT_EQ(root.find("none"), nullptr);
  EXPECT_EQ(root.find("t")->find("x"), nullptr);
}

TEST(Value, KeepsNulEscapesInStrings) {
  auto document = parse(R"(["a\u0000b"])");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().array()[0].string(), std::string_view("a\0b", 3));
}

TEST(Value, KindsOfNumbers) {
  auto kind = [](std::string_view text) { return parse(text)->root().kind(); };
  EXPECT_EQ(kind("0"), Kind::kUint);
  EXPECT_EQ(kind("-0"), Kind::kUint);
  EXPECT_EQ(kind("-9223372036854775808"), Kind::kInt);
  EXPECT_EQ(kind("-9223372036854775809"), Kind::kDouble);
  EXPECT_EQ(kind("18446744073709551616"), Kind::kDouble);
  EXPECT_EQ(kind("1.0"), Kind::kDouble);
  EXPECT_EQ(kind("1e3"), Kind::kDouble);
}

struct BadText {
  std::string_view text;
  std::string_view error;
};
const BadText kBadTexts[] = {
    {"", " is not valid JSON: line 1, column 1: the document is empty"},
    {"  \n ", " is not valid JSON: line 2, column 2: the document is empty"},
    {"{]", " is not valid JSON: line 1, column 2: a member's name is expected here"},
    {"{\"a\" 1}", " is not valid JSON: line 1, column 6: a colon is expected after a member's name"},
    {"{\"a\":1 \"b\":2}", " is not valid JSON: line 1, column 8: a comma or '}' is expected after a member"},
    {"[1 2]", " is not valid JSON: line 1, column 4: a comma or ']' is expected after an element"},
    {"[1,]", " is not valid JSON: line 1, column 4: a value is expected here"},
    {"{} {}", " is not valid JSON: line 1, column 4: something follows the document"},
    {"{\n\t\"a\": tru\n}", " is not valid JSON: line 2, column 10: a value is expected here"},
    {"[NaN]", " is not valid JSON: line 1, column 2: a value is expected here"},
    {"[01]", " is not valid JSON: line 1, column 3: a comma or ']' is expected after an element"},
    {"[1.]", " is not valid JSON: line 1, column 4: a digit is expected after the decimal point"},
    {"[1e]", " is not valid JSON: line 1, column 4: a digit is expected in the exponent"},
    {"[1e999]", " is not valid JSON: line 1, column 2: a number is too large"},
    {"[\"\\x\"]", " is not valid JSON: line 1, column 3: unknown escape in a string"},
    {"[\"\\u12g4\"]", " is not valid JSON: line 1, column 3: \\u is followed by no four hex digits"},
    {"[\"\\ud800\"]", " is not valid JSON: line 1, column 3: half of a surrogate pair"},
    {"[\"a", " is not valid JSON: line 1, column 4: a string has no closing quote"},
    {"[\"a\nb\"]", " is not valid JSON: line 1, column 4: a control character in a string"},
    {std::string_view("[\"a\0b\"]", 7), " is not valid JSON: line 1, column 4: a NUL byte"},
    {std::string_view("[]\0", 3), " is not valid JSON: line 1, column 3: a NUL byte"},
    {"[\"\xff\"]", " is not valid JSON: line 1, column 3: invalid UTF-8"},
    {"[\"\xc0\xaf\"]", " is not valid JSON: line 1, column 3: invalid UTF-8"},          // overlong '/'
    {"[\"\xed\xa0\x80\"]", " is not valid JSON: line 1, column 3: invalid UTF-8"},      // a surrogate
    {"[\"\xf4\x90\x80\x80\"]", " is not valid JSON: line 1, column 3: invalid UTF-8"},  // above U+10FFFF
    {"[\"abcdefgh\xe2\x82\"]", " is not valid JSON: line 1, column 11: invalid UTF-8"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "/a is given more than once"},
    {"{\"x\":[0,{\"k/y~z\":1,\"k/y~z\":1}]}", "/x/1/k~1y~0z is given more than once"},
    {"\xef\xbb\xbf{}", " is not valid JSON: line 1, column 1: a byte order mark"},
};

TEST(Value, RefusesWithPlace) {
  for (const BadText& bad : kBadTexts) EXPECT_EQ(error_of(bad.text), bad.error) << bad.text;
}

TEST(Value, FindsDuplicatesInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(error_of(text + "\"k1000\":0}"), "");
  EXPECT_EQ(error_of(text + "\"k500\":0}"), "/k500 is given more than once");
}

TEST(Value, NestingIsBounded) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(kMaximumNesting)), "");
  const std::string too_deep = " is nested deeper than 512 levels: line 1, column 513";
  EXPECT_EQ(error_of(nested(kMaximumNesting + 1)), too_deep);
  EXPECT_EQ(error_of(nested(100000)), too_deep);
  EXPECT_EQ(error_of(std::string(10'000'000, '[')), too_deep);
}

TEST(Value, TheNumberOfValuesIsBounded) {
  auto array = [](size_t count) {
    std::string text = "[0";
    for (size_t i = 1; i < count; ++i) text += ",0";
    return text + "]";
  };
  EXPECT_EQ(error_of(array(kMaximumValues - 1)), "");  // and the array itself
  EXPECT_EQ(error_of(array(kMaximumValues + 1)), " has more than 4194304 values: line 1, column 8388610");
}

TEST(Value, DuplicatesNeedNotHideTheRest) {
  std::vector<Finding> duplicates;
  auto document = parse(R"({"a":1,"b":2,"a":3})", &duplicates);
  ASSERT_TRUE(document);
  EXPECT_EQ(duplicates, (std::vector<Finding>{{"/a", "is given more than once"}}));
  EXPECT_EQ(document->root().find("b")->unsigned_integer(), 2u);
}

}  // namespace
}  // namespace cella::json
