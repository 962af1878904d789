// What a thread or a process says about itself: prctl(2); and capabilities(7), "The securebits flags".
#include "guest.h"

#include <elf.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include <vector>

namespace {

#ifndef PR_GET_AUXV
constexpr int PR_GET_AUXV = 0x41555856;
#endif

// All five arguments are told: the kernel looks at those that are not used.
long call(int option, unsigned long second = 0, unsigned long third = 0, unsigned long fourth = 0,
          unsigned long fifth = 0) {
  return sys(SYS_prctl, option, second, third, fourth, fifth);
}
bool refused(long result, int error) {
  return result == -1 && errno == error;
}
// The three sets of this thread.
struct Capabilities {
  uint64_t effective = 0, permitted = 0, inheritable = 0;
};
Capabilities capabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  sys(SYS_capget, &header, data);
  return {uint64_t{data[1].effective} << 32 | data[0].effective, uint64_t{data[1].permitted} << 32 | data[0].permitted,
          uint64_t{data[1].inheritable} << 32 | data[0].inheritable};
}
bool set_inheritable(uint64_t set) {
  const Capabilities now = capabilities();
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; ++half) {
    data[half] = {static_cast<uint32_t>(now.effective >> 32 * half), static_cast<uint32_t>(now.permitted >> 32 * half),
                  static_cast<uint32_t>(set >> 32 * half)};
  }
  return sys(SYS_capset, &header, data) == 0;
}
// Does a program that is executed now have no capabilities?
int has_none_after_exec() {
  return in_child([] {
    execl("/bin/sh", "sh", "-c", "grep -q '^CapPrm:.0000000000000000$' /proc/self/status", nullptr);
    return 9;
  });
}

const Refusal kRefusals[] = {
    {"KeepCapabilitiesValue", [] { return call(PR_SET_KEEPCAPS, 2); }, EINVAL},
    {"UnknownSecurebits", [] { return call(PR_SET_SECUREBITS, 1ul << 20); }, EPERM},
    {"BoundingSetDrop", [] { return call(PR_CAPBSET_DROP, 99); }, EINVAL},
    {"AmbientCapability", [] { return call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 99); }, EINVAL},
    {"AmbientCommand", [] { return call(PR_CAP_AMBIENT, 77, CAP_KILL); }, EINVAL},
    {"AmbientClearArguments", [] { return call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1); }, EINVAL},
    {"AmbientArguments", [] { return call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 1); }, EINVAL},
    {"AmbientNotInheritable", [] { return call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL); }, EPERM},
    {"NoNewPrivilegesArguments", [] { return call(PR_GET_NO_NEW_PRIVS, 1); }, EINVAL},
    {"Timing", [] { return call(PR_SET_TIMING, PR_TIMING_TIMESTAMP); }, EINVAL},
    {"MemoryFailureCommand", [] { return call(PR_MCE_KILL, 7); }, EINVAL},
    {"MemoryFailurePolicy", [] { return call(PR_MCE_KILL, PR_MCE_KILL_SET, 3); }, EINVAL},
    {"MemoryFailureClearArguments", [] { return call(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1); }, EINVAL},
    {"MemoryFailureArguments", [] { return call(PR_MCE_KILL, PR_MCE_KILL_SET, 1, 1); }, EINVAL},
    {"MemoryFailureGetArguments", [] { return call(PR_MCE_KILL_GET, 1); }, EINVAL},
    {"TidAddressBadPointer", [] { return call(PR_GET_TID_ADDRESS, reinterpret_cast<unsigned long>(kNowhere)); },
     EFAULT},
};
REFUSALS(Prctl, kRefusals);

TEST(Prctl, NameAndDeathSignal) {
  EXPECT_CHILD([] {
    REQUIRE(prctl(PR_SET_NAME, "a-name-that-is-too-long") == 0);
    char name[16];
    REQUIRE(prctl(PR_GET_NAME, name) == 0 && std::string(name) == "a-name-that-is-");
    REQUIRE(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
    int signal = 0;
    REQUIRE(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGUSR1);
    return 0;
  });
}

TEST(Prctl, TimerSlackBeginsWithTheParents) {
  EXPECT_CHILD([] {
    const long before = call(PR_GET_TIMERSLACK);
    REQUIRE(before > 0);
    REQUIRE(call(PR_SET_TIMERSLACK, 70000) == 0 && call(PR_GET_TIMERSLACK) == 70000);
    REQUIRE(in_child([] {
              REQUIRE(call(PR_GET_TIMERSLACK) == 70000);
              REQUIRE(call(PR_SET_TIMERSLACK, 1) == 0 && call(PR_GET_TIMERSLACK) == 1);
              // Its default is what it began with.
              REQUIRE(call(PR_SET_TIMERSLACK, 0) == 0 && call(PR_GET_TIMERSLACK) == 70000);
              return 0;
            }) == 0);
    REQUIRE(call(PR_SET_TIMERSLACK, 0) == 0 && call(PR_GET_TIMERSLACK) == before);
    return 0;
  });
}

TEST(Prctl, MemoryFailurePolicyIsInherited) {
  EXPECT_CHILD([] {
    REQUIRE(call(PR_MCE_KILL_GET) == PR_MCE_KILL_DEFAULT);
    REQUIRE(call(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY) == 0);
    REQUIRE(in_child([] { return call(PR_MCE_KILL_GET) == PR_MCE_KILL_EARLY ? 0 : 1; }) == 0);
    REQUIRE(call(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE) == 0);
    REQUIRE(call(PR_MCE_KILL_GET) == PR_MCE_KILL_LATE);
    REQUIRE(call(PR_MCE_KILL, PR_MCE_KILL_CLEAR) == 0 && call(PR_MCE_KILL_GET) == PR_MCE_KILL_DEFAULT);
    return 0;
  });
}

TEST(Prctl, FlusherNeedsACapability) {
  if (!(capabilities().effective >> CAP_SYS_RESOURCE & 1)) GTEST_SKIP() << "needs CAP_SYS_RESOURCE";
  EXPECT_CHILD([] {
    REQUIRE(refused(call(PR_SET_IO_FLUSHER, 2), EINVAL) && refused(call(PR_GET_IO_FLUSHER, 1), EINVAL));
    REQUIRE(call(PR_GET_IO_FLUSHER) == 0);
    REQUIRE(call(PR_SET_IO_FLUSHER, 1) == 0 && call(PR_GET_IO_FLUSHER) == 1);
    REQUIRE(call(PR_SET_IO_FLUSHER, 0) == 0 && call(PR_GET_IO_FLUSHER) == 0);
    REQUIRE(setuid(65534) == 0);
    REQUIRE(refused(call(PR_SET_IO_FLUSHER, 1), EPERM) && refused(call(PR_GET_IO_FLUSHER), EPERM));
    return 0;
  });
}

TEST(Prctl, TellsWhatTheProgramBeganWith) {
  std::vector<Elf64_auxv_t> whole(64);
  const long size = call(PR_GET_AUXV, reinterpret_cast<unsigned long>(whole.data()), whole.size() * sizeof whole[0]);
  if (size == -1 && errno == EINVAL) GTEST_SKIP() << "needs PR_GET_AUXV, Linux 6.4";
  ASSERT_GT(size, 0);
  ASSERT_EQ(static_cast<size_t>(size) % sizeof whole[0], 0u);
  uint64_t entry = 0;
  for (const Elf64_auxv_t& one : whole)
    if (one.a_type == AT_ENTRY) entry = one.a_un.a_val;
  EXPECT_EQ(entry, getauxval(AT_ENTRY));
  // As much as there is room for.
  Elf64_auxv_t few[2] = {};
  EXPECT_EQ(call(PR_GET_AUXV, reinterpret_cast<unsigned long>(few), sizeof few[0]), size);
  EXPECT_EQ(few[0].a_type, whole[0].a_type);
  EXPECT_EQ(few[1].a_type, 0u);
}

TEST(Prctl, TidAddressIsWhatIsCleared) {
  EXPECT_CHILD([] {
    int word = 0;
    int* address = nullptr;
    REQUIRE(sys(SYS_set_tid_address, &word) == getpid());
    REQUIRE(call(PR_GET_TID_ADDRESS, reinterpret_cast<unsigned long>(&address)) == 0);
    REQUIRE(address == &word);
    return 0;
  });
}

TEST(Securebits, LocksStay) {
  EXPECT_CHILD([] {
    REQUIRE(call(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED) == 0);
    REQUIRE(call(PR_GET_SECUREBITS) == (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED));
    REQUIRE(refused(call(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_KEEP_CAPS_LOCKED), EPERM));
    REQUIRE(refused(call(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED), EPERM));
    REQUIRE(refused(call(PR_SET_KEEPCAPS, 1), EPERM));
    REQUIRE(in_child([] { return call(PR_GET_SECUREBITS) != 0 ? 0 : 1; }) == 0);
    return 0;
  });
}

TEST(Securebits, NeedACapability) {
  EXPECT_CHILD([] {
    REQUIRE(setuid(65534) == 0);
    REQUIRE(refused(call(PR_SET_SECUREBITS, SECBIT_NOROOT), EPERM));
    REQUIRE(refused(call(PR_CAPBSET_DROP, CAP_KILL), EPERM));
    // The one with a call of its own.
    REQUIRE(call(PR_SET_KEEPCAPS, 1) == 0 && call(PR_GET_SECUREBITS) == SECBIT_KEEP_CAPS);
    return 0;
  });
}

TEST(Securebits, RootIsNobodySpecial) {
  EXPECT_CHILD([] {
    REQUIRE(has_none_after_exec() != 0);
    REQUIRE(call(PR_SET_SECUREBITS, SECBIT_NOROOT) == 0);
    REQUIRE(capabilities().permitted != 0);
    REQUIRE(has_none_after_exec() == 0);
    return 0;
  });
}

TEST(Securebits, UsersChangeWithoutCapabilities) {
  EXPECT_CHILD([] {
    const Capabilities before = capabilities();
    REQUIRE(call(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
    REQUIRE(setresuid(65534, 65534, 65534) == 0);
    const Capabilities now = capabilities();
    REQUIRE(now.effective == before.effective && now.permitted == before.permitted);
    return 0;
  });
  EXPECT_CHILD([] {
    const uint64_t before = capabilities().effective;
    REQUIRE(call(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
    REQUIRE(sys(SYS_setfsuid, 65534) == 0 && capabilities().effective == before);
    return 0;
  });
}

TEST(Securebits, KeepWhatRootHadWithoutItsEffect) {
  EXPECT_CHILD([] {
    REQUIRE(call(PR_SET_KEEPCAPS, 1) == 0 && call(PR_GET_KEEPCAPS) == 1);
    REQUIRE(setresuid(65534, 65534, 65534) == 0);
    REQUIRE(capabilities().permitted != 0 && capabilities().effective == 0);
    return 0;
  });
}

TEST(Securebits, AmbientSetMayBeClosed) {
  EXPECT_CHILD([] {
    REQUIRE(set_inheritable(1ul << CAP_KILL));
    REQUIRE(call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL) == 0);
    REQUIRE(call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL) == 1);
    REQUIRE(call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL) == 0);
    REQUIRE(call(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE) == 0);
    REQUIRE(refused(call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL), EPERM));
    REQUIRE(call(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL) == 0);
    return 0;
  });
}

}  // namespace
