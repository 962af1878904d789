#include "sandbox/platform/ptrace/stub.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

namespace cella::sandbox::platform {
namespace {

// The host puts a stack anywhere, also where a stub process keeps nothing.
TEST(Stub, StartsFromAStackAboveIt) {
  static Stub stub;
  stub = Stub::make().value();
  constexpr size_t kSize = 256 << 10;
  auto* wanted = reinterpret_cast<void*>(stub.base + 64 * kStubPage);
  void* stack = ::mmap(wanted, kSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_FIXED_NOREPLACE, -1, 0);
  if (stack != wanted) GTEST_SKIP() << "something else is above the stub";
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstack(&attributes, stack, kSize), 0);
  auto start = [](void*) -> void* {
    const Stub on_stack = stub;
    SysResult<pid_t> pid = start_template(on_stack);
    EXPECT_TRUE(pid) << pid.error().value;
    if (!pid) return nullptr;
    ::kill(*pid, SIGKILL);
    EXPECT_EQ(::waitpid(*pid, nullptr, __WALL), *pid);
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(::pthread_create(&thread, &attributes, start, nullptr), 0);
  ASSERT_EQ(::pthread_join(thread, nullptr), 0);
}

}  // namespace
}  // namespace cella::sandbox::platform
