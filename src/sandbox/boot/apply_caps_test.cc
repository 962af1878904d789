#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include <cella/sandbox.h>

namespace cella::sandbox {
namespace {

using Sets = std::map<std::string, uint64_t>;

// As proc_pid_status(5) shows them of this thread.
Sets sets_of_thread() {
  Sets sets;
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Cap")) sets[line.substr(0, 6)] = std::stoull(line.substr(8), nullptr, 16);
  return sets;
}

// What a thread of its own has afterwards.
Sets sets_after(const config::Capabilities& wanted, Result<void>& applied) {
  Sets sets;
  std::thread([&] {
    applied = apply_caps(wanted);
    sets = sets_of_thread();
  }).join();
  return sets;
}

constexpr uint64_t kKill = uint64_t{1} << CAP_KILL, kChown = uint64_t{1} << CAP_CHOWN,
                   kPerfmon = uint64_t{1} << CAP_PERFMON;  // in the upper half

TEST(ApplyCaps, SetsAllFiveOfThisThreadAlone) {
  const Sets before = sets_of_thread();
  if ((before.at("CapEff") & (kKill | kChown | kPerfmon)) != (kKill | kChown | kPerfmon) || ::geteuid() != 0)
    GTEST_SKIP() << "needs root";
  Result<void> applied;
  const config::Capabilities wanted = {.bounding = kKill | kChown | kPerfmon,
                                       .effective = kKill | kPerfmon,
                                       .inheritable = kKill,
                                       .permitted = kKill | kChown | kPerfmon,
                                       .ambient = kKill};
  const Sets after = sets_after(wanted, applied);
  ASSERT_TRUE(applied) << applied.error().text();
  EXPECT_EQ(after.at("CapBnd"), wanted.bounding);
  EXPECT_EQ(after.at("CapEff"), wanted.effective);
  EXPECT_EQ(after.at("CapInh"), wanted.inheritable);
  EXPECT_EQ(after.at("CapPrm"), wanted.permitted);
  EXPECT_EQ(after.at("CapAmb"), wanted.ambient);
  EXPECT_EQ(sets_of_thread(), before);
}

TEST(ApplyCaps, RefusesWhatCapsetRefuses) {
  // Effective, but not permitted: capset(2).
  Result<void> applied;
  sets_after({.bounding = ~uint64_t{0}, .effective = kKill}, applied);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().errno_value, EPERM);
}

}  // namespace
}  // namespace cella::sandbox
