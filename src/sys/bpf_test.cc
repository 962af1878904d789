#include "sys/bpf.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace cella::sys {
namespace {

TEST(Bpf, RefusalsAreErrnos) {
  EXPECT_EQ(bpf_attach_program(-1, -1, BPF_CGROUP_DEVICE, 0).error().value > 0, true);
  EXPECT_EQ(bpf_detach_program(-1, -1, BPF_CGROUP_DEVICE).error().value > 0, true);
  EXPECT_FALSE(bpf_query_programs(-1, BPF_CGROUP_DEVICE).has_value());
  EXPECT_FALSE(bpf_program_by_id(UINT32_MAX).has_value());
}

TEST(Bpf, LoadsAProgramAndExplainsABadOne) {
  const bpf_insn allow[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  auto program = bpf_load_program(BPF_PROG_TYPE_CGROUP_DEVICE, allow, "Apache");
  if (!program) GTEST_SKIP() << "bpf(BPF_PROG_LOAD) is refused on this host: " << strerror(program.error().value);
  EXPECT_GE(program->get(), 0);
  std::string log;
  auto bad = bpf_load_program(BPF_PROG_TYPE_CGROUP_DEVICE, std::span(allow).subspan(1), "Apache", &log);
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(log.find("R0"), std::string::npos) << log;
}

}  // namespace
}  // namespace cella::sys
