// timeit PAUSE_MS TIMES COMMAND [ARG…] [+ COMMAND [ARG…]]…
//
// Runs the commands one after another TIMES times, each time after a pause, and prints the wall nanoseconds of each
// time on a line of its own. It starts them with posix_spawn, which is vfork here: its own cost is some 0.1 ms, and the
// same for every runtime. A command that fails ends it with status 1. The commands' output goes to /dev/null.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: timeit PAUSE_MS TIMES COMMAND [ARG…] [+ COMMAND [ARG…]]…\n");
    return 2;
  }
  long pause_ms = atol(argv[1]), times = atol(argv[2]);
  char** commands[16];
  int count = 0;
  commands[count++] = argv + 3;
  for (int i = 3; i < argc; i++) {
    if (strcmp(argv[i], "+") != 0) continue;
    argv[i] = NULL;
    if (count == 16) return 2;
    commands[count++] = argv + i + 1;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);

  for (long n = 0; n < times; n++) {
    if (pause_ms) {
      struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
      nanosleep(&pause, NULL);
    }
    long long begin = now();
    for (int i = 0; i < count; i++) {
      pid_t pid;
      int status, error = posix_spawnp(&pid, commands[i][0], &actions, NULL, commands[i], environ);
      if (error) {
        fprintf(stderr, "timeit: %s: %s\n", commands[i][0], strerror(error));
        return 1;
      }
      while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      if (status != 0) {
        fprintf(stderr, "timeit: %s: wait status %#x\n", commands[i][0], status);
        return 1;
      }
    }
    printf("%lld\n", now() - begin);
  }
  return 0;
}
