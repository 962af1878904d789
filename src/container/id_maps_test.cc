#include "container/id_maps.h"

#include <gtest/gtest.h>

namespace cella::container {
namespace {

TEST(IdMaps, TextIsThatOfProcfs) {
  EXPECT_EQ(id_map_text({}), "");
  EXPECT_EQ(id_map_text({{0, 1000, 1}, {1, 100000, 65535}}), "0 1000 1\n1 100000 65535\n");
  EXPECT_EQ(id_map_text({{4294967294, 4294967294, 1}}), "4294967294 4294967294 1\n");
}

TEST(IdMaps, NothingIsWrittenForNoMaps) {
  EXPECT_TRUE(write_id_maps(-1, {}, {}, {}));
}

TEST(IdMaps, ErrorNamesTheFile) {
  Result<void> written = write_id_maps(0x7fffffff, {{0, 0, 1}}, {}, {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().text(), "writing /proc/2147483647/uid_map: no such file or directory");
}

}  // namespace
}  // namespace cella::container
