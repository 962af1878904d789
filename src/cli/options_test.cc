#include "cli/options.h"

#include <gtest/gtest.h>

namespace cella::cli {
namespace {

enum class Colour { kNone, kDefault, kRed };
const char* store_value(Colour& target, const char* value) {
  if (value != nullptr && std::string_view(value) != "red") return "must be red";
  target = value != nullptr ? Colour::kRed : Colour::kDefault;
  return nullptr;
}

struct Base {
  std::string bundle = ".";
};
struct Sample : Base {
  bool detach = false;
  uint32_t count = 0;
  std::vector<std::string> env;
  std::optional<bool> rootless = true;
  Colour colour = Colour::kNone;
};

constexpr auto kFirst = std::to_array<Option>({
    {"bundle", "b", "DIR", "the bundle", into<Sample, &Sample::bundle>},
    {"detach", "d", nullptr, "do not wait", into<Sample, &Sample::detach>},
    {"preserve-fds", nullptr, "N", "descriptors", into<Sample, &Sample::count>},
});
constexpr auto kSecond = std::to_array<Option>({
    {"env", "e", "[X:]NAME=VALUE", "a variable", into<Sample, &Sample::env>},
    {"rootless", nullptr, "BOOL", nullptr, into<Sample, &Sample::rootless>},
    {"colour", nullptr, "[=red]", "paint it", into<Sample, &Sample::colour>},
});
constexpr auto kTable = joined(kFirst, kSecond);

class OptionsTest : public testing::Test {
 protected:
  Result<Parsed> parse(std::vector<std::string> arguments) {
    arguments_ = std::move(arguments);
    arguments_.insert(arguments_.begin(), "command");
    argv_.clear();
    for (std::string& argument : arguments_) argv_.push_back(argument.data());
    argv_.push_back(nullptr);
    options_ = Sample();
    return parse_options(kTable, &options_, static_cast<int>(arguments_.size()), argv_.data());
  }
  std::string error_of(std::vector<std::string> arguments) {
    Result<Parsed> parsed = parse(std::move(arguments));
    return parsed ? "" : parsed.error().text();
  }

  Sample options_;
  std::vector<std::string> arguments_;
  std::vector<char*> argv_;
};

TEST_F(OptionsTest, EverySpellingOfAFlag) {
  for (const char* spelling : {"--bundle=x", "-bundle=x", "-b=x", "--b=x"}) {
    ASSERT_TRUE(parse({spelling, "id"})) << spelling;
    EXPECT_EQ(options_.bundle, "x") << spelling;
  }
  for (const char* spelling : {"--bundle", "-bundle", "-b"}) {
    ASSERT_TRUE(parse({spelling, "-x", "id"})) << spelling;
    EXPECT_EQ(options_.bundle, "-x") << spelling;
  }
}

TEST_F(OptionsTest, BooleansTakeNoArgumentButAnEqualsSign) {
  ASSERT_EQ(parse({"-d", "false"})->positional, 2);
  EXPECT_TRUE(options_.detach);
  ASSERT_TRUE(parse({"--detach=true", "-detach=false"}));
  EXPECT_FALSE(options_.detach);
  EXPECT_EQ(error_of({"--detach=perhaps"}), "invalid value \"perhaps\" for flag --detach: must be true or false");
}

TEST_F(OptionsTest, StopsAtTheFirstPositional) {
  Result<Parsed> parsed = parse({"-e", "A=1", "--env=B=2", "id", "ls", "-d", "--nonsense"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->positional, 4);
  EXPECT_FALSE(options_.detach);
  EXPECT_EQ(options_.env, (std::vector<std::string>{"A=1", "B=2"}));
  EXPECT_EQ(parse({"--", "-d"})->positional, 2);
  EXPECT_EQ(parse({})->positional, 1);
  EXPECT_EQ(parse({"-"})->positional, 1);
}

TEST_F(OptionsTest, AbbreviationsAndBundlesAreUnknown) {
  EXPECT_EQ(error_of({"--bund", "x"}), "flag provided but not defined: --bund");
  EXPECT_EQ(error_of({"--bund"}), "flag provided but not defined: --bund");
  EXPECT_EQ(error_of({"-det"}), "flag provided but not defined: -det");
  EXPECT_EQ(error_of({"-de"}), "flag provided but not defined: -de");
  EXPECT_EQ(error_of({"--nothing=1"}), "flag provided but not defined: --nothing=1");
  EXPECT_EQ(error_of({"--=x"}), "flag provided but not defined: --=x");
  EXPECT_EQ(error_of({"--hel"}), "flag provided but not defined: --hel");
}

// podman asks `restore --lsm-mount-context` and looks for this phrase.
TEST_F(OptionsTest, MissingValue) {
  EXPECT_EQ(error_of({"--bundle"}), "flag needs an argument: --bundle");
  EXPECT_EQ(error_of({"-d", "-b"}), "flag needs an argument: -b");
}

TEST_F(OptionsTest, OptionalValue) {
  ASSERT_TRUE(parse({"--colour", "red"}));
  EXPECT_EQ(options_.colour, Colour::kDefault);
  ASSERT_TRUE(parse({"--colour=red"}));
  EXPECT_EQ(options_.colour, Colour::kRed);
  EXPECT_EQ(error_of({"--colour=blue"}), "invalid value \"blue\" for flag --colour: must be red");
}

TEST_F(OptionsTest, NumbersAreReadWhole) {
  ASSERT_TRUE(parse({"--preserve-fds", "4294967295"}));
  EXPECT_EQ(options_.count, UINT32_MAX);
  for (const char* wrong : {"", "-1", "+1", " 1", "1x", "0x1", "4294967296"}) {
    EXPECT_FALSE(parse({"--preserve-fds", wrong})) << wrong;
  }
}

TEST_F(OptionsTest, ThreeValuedBooleans) {
  ASSERT_TRUE(parse({"--rootless", "auto"}));
  EXPECT_EQ(options_.rootless, std::nullopt);
  ASSERT_TRUE(parse({"--rootless=false"}));
  EXPECT_EQ(options_.rootless, false);
  EXPECT_FALSE(parse({"--rootless", "x"}));
}

TEST_F(OptionsTest, HelpIsAlwaysThere) {
  EXPECT_TRUE(parse({"--help"})->help);
  EXPECT_TRUE(parse({"-h", "x"})->help);
  EXPECT_FALSE(parse({"x", "-h"})->help);
}

TEST_F(OptionsTest, HelpText) {
  EXPECT_EQ(options_help(kTable),
            "  -b, --bundle DIR          the bundle\n"
            "  -d, --detach              do not wait\n"
            "      --preserve-fds N      descriptors\n"
            "  -e, --env [X:]NAME=VALUE  a variable\n"
            "      --colour[=red]        paint it\n"
            "  -h, --help                show this help\n");
}

}  // namespace
}  // namespace cella::cli
