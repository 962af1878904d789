// Every case's plan as text, compared with its file in testdata/. CELLA_UPDATE_GOLDEN=1 rewrites the files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <dirent.h>

#include "plan/golden_cases.h"
#include "plan/print.h"

namespace cella::plan {
namespace {

class Golden : public testing::TestWithParam<GoldenCase> {};

std::string path_of(const std::string& name) {
  return "testdata/" + name + ".txt";
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "" or the first line in which the two differ.
std::string difference(const std::string& expected, const std::string& actual) {
  std::istringstream a(expected), b(actual);
  std::string left, right;
  for (int line = 1;; ++line) {
    bool more_left = static_cast<bool>(std::getline(a, left));
    bool more_right = static_cast<bool>(std::getline(b, right));
    if (!more_left && !more_right) return {};
    if (more_left && more_right && left == right) continue;
    return "line " + std::to_string(line) + "\n  file: " + (more_left ? left : "(ends)") +
           "\n  plan: " + (more_right ? right : "(ends)");
  }
}

TEST_P(Golden, PlanIsAsInItsFile) {
  Result<Built> built = input_of(GetParam()).build();
  ASSERT_TRUE(built) << built.error().text();
  std::string text = to_text(built->plan);
  std::string path = path_of(GetParam().name);
  if (std::getenv("CELLA_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  EXPECT_EQ(difference(contents(path), text), "") << path << "; CELLA_UPDATE_GOLDEN=1 rewrites it";
}

INSTANTIATE_TEST_SUITE_P(Plans, Golden, testing::ValuesIn(all_cases()),
                         [](const testing::TestParamInfo<GoldenCase>& one) { return std::string(one.param.name); });

TEST(GoldenFiles, EachHasACase) {
  std::set<std::string> names;
  for (const GoldenCase& one : all_cases())
    EXPECT_TRUE(names.insert(path_of(one.name)).second) << one.name << " is there twice";
  DIR* directory = opendir("testdata");
  ASSERT_NE(directory, nullptr);
  while (const dirent* entry = readdir(directory)) {
    std::string name = entry->d_name;
    if (!name.ends_with(".txt")) continue;
    EXPECT_TRUE(names.contains("testdata/" + name)) << name << " belongs to no case";
  }
  closedir(directory);
}

}  // namespace
}  // namespace cella::plan
