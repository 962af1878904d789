#include "sandbox/boot/jail.h"

#include <gtest/gtest.h>

#include "sandbox/boot/options.h"

namespace cella::sandbox::boot {
namespace {

TEST(Options, AreReadAndWrittenAsAnnotations) {
  const std::vector<std::string> labels = {"bundle=/b", "dev.cella.sandbox.overlay=true",
                                           "dev.cella.sandbox.strace-syscalls=open,close",
                                           "dev.cella.sandbox.strace-log-size=7"};
  Result<Config> config = options_from(labels);
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_TRUE(config->overlay);
  EXPECT_EQ(config->strace_syscalls, (std::vector<std::string>{"open", "close"}));
  EXPECT_EQ(config->strace_log_size, 7u);
  EXPECT_EQ(options_from(to_labels(*config)), *config);
  EXPECT_TRUE(to_labels(Config()).empty());
}

}  // namespace
}  // namespace cella::sandbox::boot
