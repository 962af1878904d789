// guest WORK…: the cost of system calls to a program, seen from within.
//
// For each WORK of the table prints its name and the nanoseconds of one operation: the median of seven stretches, each
// of at least STRETCH_MS. `guest true` ends at once, for exec. Needs /proc/self/exe for vfork-exec.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STRETCHES = 7, STRETCH_MS = 20, PAGE = 4096, FAULTS = 1024 };

static int file;
static char page[PAGE];

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void check(int good, const char* what) {
  if (good) return;
  perror(what);
  exit(1);
}

static void do_getppid(void) {
  check(syscall(SYS_getppid) >= 0, "getppid");
}
static void do_pread(void) {
  check(pread(file, page, PAGE, 0) == PAGE, "pread");
}
static void do_open(void) {
  int fd = open("/tmp/bench-file", O_RDONLY);
  check(fd >= 0, "open");
  close(fd);
}
static void do_mmap(void) {
  char* p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(p != MAP_FAILED, "mmap");
  *p = 1;
  munmap(p, PAGE);
}
// FAULTS pages of one mapping: the first touch of each is one operation.
static void do_fault(void) {
  char* p = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(p != MAP_FAILED, "mmap");
  for (int i = 0; i < FAULTS; i++) p[i * PAGE] = 1;
  munmap(p, FAULTS * PAGE);
}
static void do_fork(void) {
  pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) _exit(0);
  check(waitpid(child, NULL, 0) == child, "waitpid");
}
static void do_exec(void) {
  char* args[] = {"guest", "true", NULL};
  pid_t child = vfork();
  check(child >= 0, "vfork");
  if (child == 0) {
    execv("/proc/self/exe", args);
    _exit(127);
  }
  int status;
  check(waitpid(child, &status, 0) == child && status == 0, "vfork, exec");
}

static const struct {
  const char* name;
  void (*once)(void);
  int operations;
} kWorks[] = {
    {"getppid", do_getppid, 1}, {"pread", do_pread, 1}, {"open-close", do_open, 1}, {"fault", do_fault, FAULTS},
    {"mmap", do_mmap, 1},       {"fork", do_fork, 1},   {"vfork-exec", do_exec, 1},
};

static int by_value(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static void measure(const char* name, void (*once)(void), int operations) {
  double taken[STRETCHES];
  once();
  for (int i = 0; i < STRETCHES; i++) {
    long long start = now(), end;
    long count = 0, step = 1;
    do {
      for (long n = 0; n < step; n++) once();
      count += step;
      if (step < 64) step *= 2;
      end = now();
    } while (end - start < STRETCH_MS * 1000000LL);
    taken[i] = (double)(end - start) / ((double)count * operations);
  }
  qsort(taken, STRETCHES, sizeof *taken, by_value);
  printf("%s %.1f\n", name, taken[STRETCHES / 2]);
  fflush(stdout);
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "true") == 0) return 0;
  file = open("/tmp/bench-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  check(file >= 0 && write(file, page, PAGE) == PAGE, "/tmp/bench-file");
  for (int i = 1; i < argc; i++) {
    size_t w = 0;
    while (w < sizeof kWorks / sizeof *kWorks && strcmp(kWorks[w].name, argv[i]) != 0) w++;
    if (w == sizeof kWorks / sizeof *kWorks) {
      fprintf(stderr, "guest: no work is called %s\n", argv[i]);
      return 2;
    }
    measure(kWorks[w].name, kWorks[w].once, kWorks[w].operations);
  }
  return 0;
}
