#include "json/writer.h"

#include <gtest/gtest.h>

namespace cella::json {
namespace {

void write_sample(Writer& writer) {
  writer.begin_object();
  writer.key("a");
  writer.begin_array();
  writer.integer(-1);
  writer.unsigned_integer(UINT64_MAX);
  writer.number(0.5);
  writer.end_array();
  writer.key("empty");
  writer.begin_array();
  writer.end_array();
  writer.key("o");
  writer.begin_object();
  writer.end_object();
  writer.key("n");
  writer.null();
  writer.key("b");
  writer.boolean(true);
  writer.end_object();
}

TEST(Writer, Compact) {
  Writer writer;
  write_sample(writer);
  EXPECT_EQ(writer.text(), R"({"a":[-1,18446744073709551615,0.5],"empty":[],"o":{},"n":null,"b":true})");
}

TEST(Writer, IndentsAsGoDoes) {
  Writer writer("\t");
  write_sample(writer);
  EXPECT_EQ(writer.text(),
            "{\n\t\"a\": [\n\t\t-1,\n\t\t18446744073709551615,\n\t\t0.5\n\t],\n\t\"empty\": [],\n\t\"o\": {},\n"
            "\t\"n\": null,\n\t\"b\": true\n}");
}

TEST(Writer, Escapes) {
  Writer writer;
  writer.begin_array();
  writer.string(std::string_view("q\" b\\ \n\r\t \x01\x1f\x7f \0", 15));
  writer.string("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  writer.string("bad \xff \xc3 \xed\xa0\x80");
  writer.end_array();
  EXPECT_EQ(writer.text(),
            "[\"q\\\" b\\\\ \\n\\r\\t \\u0001\\u001f\\u007f \\u0000\",\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\","
            "\"bad \\ufffd \\ufffd \\ufffd\\ufffd\\ufffd\"]");
}

}  // namespace
}  // namespace cella::json
