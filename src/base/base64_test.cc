#include "base/base64.h"

#include <gtest/gtest.h>

namespace cella::base {
namespace {

TEST(Base64, DecodesTheTestVectorsOfItsSpecification) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("AP8+/w=="), std::string("\0\xff\x3e\xff", 4));
}

TEST(Base64, RefusesEverythingElse) {
  for (const char* text : {"Z", "Zg", "Zg=", "====", "Z===", "Zg==Zg==", "Zm8=Zm8=", "Zm9v\n", "Zm 9v", "Zm9-", "Zm9_",
                           "=m9v", "Zh==", "Zm9="}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cella::base
