// The table is whole, docs/compatibility.md is what it says (CELLA_UPDATE_GOLDEN=1, tools/make-docs, rewrites it), and
// strace takes the names it knows.
#include "sandbox/syscall/table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "sandbox/syscall/strace.h"

namespace cella::sandbox::syscall {
namespace {

constexpr const char* kPath = "../../../docs/compatibility.md";

std::string compatibility() {
  size_t full = 0, partial = 0, absent = 0;
  std::string rows;
  for (const Entry& entry : all()) {
    if (entry.name == nullptr) continue;
    std::string said;
    switch (entry.support) {
      case Support::kFull:
        ++full;
        said = "as Linux";
        break;
      case Support::kPartial:
        ++partial;
        said = fmt::format("in part: {}", entry.note);
        break;
      case Support::kAbsent:
        ++absent;
        said = fmt::format("{}{}: {}", strerrorname_np(entry.error),
                           entry.capability < 0 ? "" : ", or EPERM without the capability", entry.note);
        break;
    }
    rows += fmt::format("| {} | `{}` | {} |\n", entry.number, entry.name, said);
  }
  return fmt::format(
      "# System calls of the sandbox\n\n"
      "Written by `tools/make-docs` from `src/sandbox/syscall/calls.inc`. {} calls are served as Linux serves them, {} "
      "in\n"
      "part, and {} are refused. What is not listed is ENOSYS, and counted.\n\n"
      "| number | call | served |\n|---|---|---|\n{}",
      full, partial, absent, rows);
}

TEST(Table, IsAsRecorded) {
  const std::string text = compatibility();
  if (std::getenv("CELLA_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(kPath, std::ios::binary) << text;
    return;
  }
  std::ifstream file(kPath, std::ios::binary);
  std::stringstream recorded;
  recorded << file.rdbuf();
  EXPECT_TRUE(recorded.str() == text) << kPath << " is out of date; tools/make-docs rewrites it";
}

TEST(Table, LinesAreWhole) {
  std::set<std::string_view> names;
  for (size_t number = 0; number < all().size(); ++number) {
    const Entry& entry = all()[number];
    if (entry.name == nullptr) continue;
    EXPECT_EQ(static_cast<size_t>(entry.number), number);
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(find(number), &entry);
    EXPECT_EQ(find(std::string_view(entry.name)), &entry);
    EXPECT_LE(std::strlen(entry.arguments), 6u) << entry.name;
    EXPECT_EQ(std::strspn(entry.arguments, "dluxmpfFsvbBVtTOPMScCWH"), std::strlen(entry.arguments)) << entry.name;
    EXPECT_EQ(entry.handler == nullptr, entry.support == Support::kAbsent) << entry.name;
    EXPECT_EQ(std::strlen(entry.note) == 0, entry.support == Support::kFull) << entry.name;
    EXPECT_EQ(std::strpbrk(entry.note, "|\n"), nullptr) << entry.name;
    EXPECT_EQ(entry.error != 0, entry.support == Support::kAbsent) << entry.name;
    // The length of a buffer comes next.
    for (const char* letter = entry.arguments; *letter != '\0'; ++letter) {
      if (*letter == 'b' || *letter == 'B') {
        EXPECT_EQ(letter[1], 'u') << entry.name;
      }
    }
  }
  EXPECT_EQ(find(511), nullptr);
  EXPECT_EQ(find(uint64_t{1} << 40), nullptr);
}

TEST(Strace, TakesTheNamesOfTheTable) {
  auto sink = [](const std::string&) {};
  EXPECT_TRUE(make_strace({}, 10, sink));
  EXPECT_TRUE(make_strace({"openat", "uselib"}, 10, sink));
  Result<std::unique_ptr<task::CallObserver>> unknown = make_strace({"openat", "opencat"}, 10, sink);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(unknown.error().text(), "no system call is named \"opencat\"");
}

}  // namespace
}  // namespace cella::sandbox::syscall
