#include "container/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace cella::container {
namespace {

Spawn program(const char* path, std::vector<std::string> args) {
  Spawn spawn;
  spawn.path = path;
  spawn.args = std::move(args);
  return spawn;
}

Spawn shell(const char* script) {
  return program("/bin/sh", {"sh", "-c", script});
}

std::string error_of(const Spawn& spawn) {
  Result<void> result = run_to_end(spawn);
  return result ? "" : result.error().text();
}

TEST(Spawn, SuccessIsExitStatusZero) {
  EXPECT_TRUE(run_to_end(shell("exit 0")));
}

TEST(Spawn, FailureCarriesTheOutputOfBothStreams) {
  EXPECT_EQ(error_of(shell("exit 3")), "exit status 3");
  EXPECT_EQ(error_of(shell("echo one; echo two >&2; exit 3")), "exit status 3: one\ntwo");
  EXPECT_EQ(error_of(shell("kill -9 $$")), "killed by signal 9");
}

TEST(Spawn, AStreamThatGoesElsewhereIsNotInTheError) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  Spawn spawn = shell("echo one; echo two >&2; exit 3");
  spawn.output = pipe_fds[1];
  EXPECT_EQ(error_of(spawn), "exit status 3: two");
  spawn.error_output = pipe_fds[1];
  EXPECT_EQ(error_of(spawn), "exit status 3");
  char text[64] = {};
  EXPECT_EQ(::read(pipe_fds[0], text, sizeof text - 1), 12);
  EXPECT_STREQ(text, "one\none\ntwo\n");
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST(Spawn, MuchOutputIsReadButNotKept) {
  const std::string text = error_of(shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; exit 1"));
  EXPECT_TRUE(text.starts_with("exit status 1: 0123456789\n"));
  EXPECT_LT(text.size(), 4096U);
}

TEST(Spawn, GetsItsInputEnvironmentAndDirectory) {
  Spawn spawn = shell("[ \"$(cat)\" = in ] && [ \"$A\" = b ] && [ -z \"$HOME\" ] && [ \"$(pwd)\" = / ]");
  spawn.input = "in";
  spawn.env = std::vector<std::string>{"A=b", "PATH=/bin:/usr/bin"};
  spawn.directory = "/";
  EXPECT_EQ(error_of(spawn), "");
}

TEST(Spawn, InheritsTheEnvironmentUnlessGivenOne) {
  ::setenv("CELLA_SPAWN_TEST", "yes", 1);
  EXPECT_EQ(error_of(shell("[ $CELLA_SPAWN_TEST = yes ]")), "");
  Spawn empty = shell("[ -z \"$CELLA_SPAWN_TEST\" ]");
  empty.env.emplace();
  EXPECT_EQ(error_of(empty), "");
}

TEST(Spawn, WhatCannotBeExecutedGivesItsErrno) {
  Result<void> missing = run_to_end(program("/no/such/program", {"x"}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().errno_value, ENOENT);
  Result<void> directory = run_to_end(program("/", {"x"}));
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().errno_value, EACCES);
  Spawn nowhere = shell("true");
  nowhere.directory = "/no/such/directory";
  EXPECT_EQ(run_to_end(nowhere).error().errno_value, ENOENT);
}

TEST(Spawn, IsKilledWhenItIsLate) {
  Spawn spawn = shell("sleep 100");
  spawn.timeout_seconds = 1;
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(spawn), "not finished after 1 s");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // it has been reaped
}

TEST(Spawn, DoesNotWaitForWhatItLeavesBehind) {
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(shell("sleep 3 & exit 0")), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

}  // namespace
}  // namespace cella::container
