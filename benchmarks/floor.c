// floor ROOTFS
//
// The floor of `run`: all the kernel work of the default bundle and nothing else. New pid, network, ipc, uts, mount and
// cgroup namespaces, a cgroup in every v1 hierarchy, its device list, the default mounts, devices, masked and read-only
// paths, pivot_root, capabilities, /bin/true, and the removal of the cgroups. It parses nothing, checks little, and
// knows the paths at compile time: no runtime can be faster than this without doing less.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(call)                                               \
  do {                                                            \
    if ((call) < 0) {                                             \
      fprintf(stderr, "floor: %s: %s\n", #call, strerror(errno)); \
      _exit(1);                                                   \
    }                                                             \
  } while (0)

static const char* const controllers[] = {"cpu",     "cpuacct", "cpuset", "memory", "devices",
                                          "freezer", "blkio",   "pids",   "systemd"};
enum { kControllers = sizeof controllers / sizeof *controllers };
static char cgroup_path[kControllers][96];
static int tasks[kControllers];
static int present[kControllers];

static void write_at(int dir, const char* name, const char* text) {
  int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
  CHECK(fd);
  CHECK(write(fd, text, strlen(text)));
  close(fd);
}

static void copy_from_parent(const char* parent, int dir, const char* name) {
  char path[256], text[256];
  snprintf(path, sizeof path, "%s/%s", parent, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(fd);
  ssize_t size = read(fd, text, sizeof text - 1);
  CHECK(size);
  close(fd);
  text[size] = 0;
  write_at(dir, name, text);
}

static void make_cgroups(void) {
  static const char* const allowed[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
                                        "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"};
  for (int i = 0; i < kControllers; i++) {
    char parent[64];
    snprintf(parent, sizeof parent, "/sys/fs/cgroup/%s", controllers[i]);
    snprintf(cgroup_path[i], sizeof cgroup_path[i], "%s/floor-%d", parent, getpid());
    if (access(parent, F_OK) != 0) continue;
    present[i] = 1;
    CHECK(mkdir(cgroup_path[i], 0755));
    int dir = open(cgroup_path[i], O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    CHECK(dir);
    if (strcmp(controllers[i], "cpuset") == 0) {
      copy_from_parent(parent, dir, "cpuset.cpus");
      copy_from_parent(parent, dir, "cpuset.mems");
    }
    if (strcmp(controllers[i], "devices") == 0) {
      write_at(dir, "devices.deny", "a");
      for (size_t n = 0; n < sizeof allowed / sizeof *allowed; n++) write_at(dir, "devices.allow", allowed[n]);
    }
    tasks[i] = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
    CHECK(tasks[i]);
    close(dir);
  }
}

static void loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(fd);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  CHECK(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
}

static void make_mounts(void) {
  CHECK(mount("proc", "proc", "proc", 0, NULL));
  CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
  CHECK(mkdir("dev/pts", 0755));
  CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  CHECK(mkdir("dev/shm", 0755));
  CHECK(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k"));
  CHECK(mkdir("dev/mqueue", 0755));
  CHECK(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
  CHECK(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
  CHECK(mount("cgroup", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=755"));
  for (int i = 0; i < kControllers; i++) {
    if (!present[i]) continue;
    char path[64];
    snprintf(path, sizeof path, "sys/fs/cgroup/%s", controllers[i]);
    CHECK(mkdir(path, 0755));
    CHECK(mount("cgroup", path, "cgroup", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY,
                strcmp(controllers[i], "systemd") == 0 ? "none,name=systemd" : controllers[i]));
  }
  CHECK(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
}

static void make_devices(void) {
  static const struct {
    const char* path;
    unsigned major, minor;
  } devices[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
                 {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    CHECK(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
    CHECK(chown(devices[i].path, 0, 0));
  }
  CHECK(symlink("/proc/self/fd", "dev/fd"));
  CHECK(symlink("/proc/self/fd/0", "dev/stdin"));
  CHECK(symlink("/proc/self/fd/1", "dev/stdout"));
  CHECK(symlink("/proc/self/fd/2", "dev/stderr"));
  CHECK(symlink("/proc/kcore", "dev/core"));
  CHECK(symlink("pts/ptmx", "dev/ptmx"));
}

static void mask_paths(void) {
  static const char* const masked[] = {
      "/proc/acpi",       "/proc/asound",      "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"};
  static const char* const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  for (size_t i = 0; i < sizeof readonly / sizeof *readonly; i++) {
    if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) < 0) continue;
    CHECK(mount(NULL, readonly[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  }
  for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
    if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT) continue;
    CHECK(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL));
  }
}

static void drop_privileges(void) {
  const uint64_t keep = 1ULL << CAP_AUDIT_WRITE | 1ULL << CAP_KILL | 1ULL << CAP_NET_BIND_SERVICE;
  for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
    if (!(keep >> cap & 1)) prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{.effective = (uint32_t)keep, .permitted = (uint32_t)keep}};
  CHECK(syscall(SYS_capset, &header, data));
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void child(const char* rootfs) {
  for (int i = 0; i < kControllers; i++)
    if (present[i]) CHECK(write(tasks[i], "0", 1));
  CHECK(unshare(CLONE_NEWCGROUP));
  CHECK(setsid());
  CHECK(sethostname("floor", 5));
  loopback_up();
  CHECK(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
  CHECK(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
  CHECK(chdir(rootfs));
  make_mounts();
  make_devices();
  CHECK(syscall(SYS_pivot_root, ".", "."));
  CHECK(umount2(".", MNT_DETACH));
  CHECK(chdir("/"));
  CHECK(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  mask_paths();
  struct rlimit limit = {1024, 1024};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit));
  drop_privileges();
  char* const arguments[] = {"true", NULL};
  char* const environment[] = {"PATH=/bin", NULL};
  execve("/bin/true", arguments, environment);
  CHECK(-1);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: floor ROOTFS\n");
    return 2;
  }
  make_cgroups();
  struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
                            .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  CHECK(pid);
  if (pid == 0) child(argv[1]);
  int status;
  CHECK(waitpid(pid, &status, 0));
  for (int i = 0; i < kControllers; i++) {
    if (!present[i]) continue;
    while (rmdir(cgroup_path[i]) < 0 && errno == EBUSY) {
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
