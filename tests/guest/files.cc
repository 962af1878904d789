// Names and what stands behind them: open(2), stat(2), mkdir(2), rename(2), link(2), unlink(2), readlink(2), chmod(2) …
#include <dirent.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <set>
#include <vector>

#include "guest.h"

namespace {

const std::string kLongName(256, 'x');
const std::string kLongPath = [] {
  std::string path = "/tmp";
  while (path.size() < PATH_MAX) path += "/tmp";
  return path;
}();

const Refusal kRefusals[] = {
    {"OpenMissing", [] { return sys(SYS_open, "/tmp/no/such", O_RDONLY); }, ENOENT},
    {"OpenEmptyName", [] { return sys(SYS_open, "", O_RDONLY); }, ENOENT},
    {"OpenBadPointer", [] { return sys(SYS_open, kNowhere, O_RDONLY); }, EFAULT},
    {"OpenKernelPointer", [] { return sys(SYS_open, kKernel, O_RDONLY); }, EFAULT},
    {"OpenThroughFile", [] { return sys(SYS_open, "/dev/null/x", O_RDONLY); }, ENOTDIR},
    {"OpenDirectoryForWriting", [] { return sys(SYS_open, "/tmp", O_WRONLY); }, EISDIR},
    {"OpenDirectoryToCreate", [] { return sys(SYS_open, "/tmp", O_CREAT | O_RDONLY, 0644); }, EISDIR},
    {"OpenExclusiveThere", [] { return sys(SYS_open, "/tmp", O_CREAT | O_EXCL, 0644); }, EEXIST},
    {"OpenFileAsDirectory", [] { return sys(SYS_open, "/dev/null", O_RDONLY | O_DIRECTORY); }, ENOTDIR},
    {"OpenLongName", [] { return sys(SYS_open, kLongName.c_str(), O_RDONLY); }, ENAMETOOLONG},
    {"OpenLongPath", [] { return sys(SYS_open, kLongPath.c_str(), O_RDONLY); }, ENAMETOOLONG},
    {"OpenatBadDirectory", [] { return sys(SYS_openat, -1, "x", O_RDONLY); }, EBADF},
    {"OpenatNotDirectory",
     [] {
       int fd = open("/dev/null", O_RDONLY);
       long result = sys(SYS_openat, fd, "x", O_RDONLY);
       int error = errno;
       close(fd);
       errno = error;
       return result;
     },
     ENOTDIR},
    {"OpenTmpfileReadOnly", [] { return sys(SYS_open, "/tmp", O_TMPFILE | O_RDONLY, 0600); }, EINVAL},
    {"CreatBadPointer", [] { return sys(SYS_creat, kNowhere, 0644); }, EFAULT},
    {"StatMissing",
     [] {
       struct stat s;
       return sys(SYS_stat, "/tmp/no/such", &s);
     },
     ENOENT},
    {"StatBadPath",
     [] {
       struct stat s;
       return sys(SYS_stat, kNowhere, &s);
     },
     EFAULT},
    {"StatBadBuffer", [] { return sys(SYS_stat, "/", kNowhere); }, EFAULT},
    {"StatSlashBehindFile",
     [] {
       struct stat s;
       return sys(SYS_stat, "/dev/null/", &s);
     },
     ENOTDIR},
    {"LstatMissing",
     [] {
       struct stat s;
       return sys(SYS_lstat, "/nope", &s);
     },
     ENOENT},
    {"LstatBadBuffer", [] { return sys(SYS_lstat, "/", kNowhere); }, EFAULT},
    {"FstatClosed",
     [] {
       struct stat s;
       return sys(SYS_fstat, 999, &s);
     },
     EBADF},
    {"FstatBadBuffer", [] { return sys(SYS_fstat, 0, kNowhere); }, EFAULT},
    {"NewfstatatFlags",
     [] {
       struct stat s;
       return sys(SYS_newfstatat, AT_FDCWD, "/", &s, 0x10000);
     },
     EINVAL},
    {"NewfstatatClosed",
     [] {
       struct stat s;
       return sys(SYS_newfstatat, 999, "x", &s, 0);
     },
     EBADF},
    {"NewfstatatEmptyName",
     [] {
       struct stat s;
       return sys(SYS_newfstatat, 0, "", &s, 0);
     },
     ENOENT},
    {"StatxFlags",
     [] {
       char s[256];
       return sys(SYS_statx, AT_FDCWD, "/", 0x10000, 0x7ff, s);
     },
     EINVAL},
    {"StatxSyncFlags",
     [] {
       char s[256];
       return sys(SYS_statx, AT_FDCWD, "/", 0x6000, 0x7ff, s);
     },
     EINVAL},
    {"StatxReservedMask",
     [] {
       char s[256];
       return sys(SYS_statx, AT_FDCWD, "/", 0, 0x80000000u, s);
     },
     EINVAL},
    {"StatxBadBuffer", [] { return sys(SYS_statx, AT_FDCWD, "/", 0, 0x7ff, kNowhere); }, EFAULT},
    {"AccessMissing", [] { return sys(SYS_access, "/nope", F_OK); }, ENOENT},
    {"AccessMode", [] { return sys(SYS_access, "/", 8); }, EINVAL},
    {"AccessBadPointer", [] { return sys(SYS_access, kNowhere, F_OK); }, EFAULT},
    {"AccessExecuteDataFile", [] { return sys(SYS_access, "/dev/null", X_OK); }, EACCES},
    {"Faccessat2Flags", [] { return sys(SYS_faccessat2, AT_FDCWD, "/", F_OK, 0x10000); }, EINVAL},
    {"ChdirMissing", [] { return sys(SYS_chdir, "/nope"); }, ENOENT},
    {"ChdirFile", [] { return sys(SYS_chdir, "/dev/null"); }, ENOTDIR},
    {"ChdirBadPointer", [] { return sys(SYS_chdir, kNowhere); }, EFAULT},
    {"FchdirClosed", [] { return sys(SYS_fchdir, 999); }, EBADF},
    {"GetcwdSmall",
     [] {
       char c[1];
       return sys(SYS_getcwd, c, 1);
     },
     ERANGE},
    {"GetcwdBadBuffer", [] { return sys(SYS_getcwd, kNowhere, 4096); }, EFAULT},
    {"MkdirThere", [] { return sys(SYS_mkdir, "/tmp", 0755); }, EEXIST},
    {"MkdirRoot", [] { return sys(SYS_mkdir, "/", 0755); }, EEXIST},
    {"MkdirDot", [] { return sys(SYS_mkdir, "/tmp/.", 0755); }, EEXIST},
    {"MkdirNoParent", [] { return sys(SYS_mkdir, "/tmp/no/such", 0755); }, ENOENT},
    {"MkdirBadPointer", [] { return sys(SYS_mkdir, kNowhere, 0755); }, EFAULT},
    {"MkdiratClosed", [] { return sys(SYS_mkdirat, 999, "x", 0755); }, EBADF},
    {"RmdirMissing", [] { return sys(SYS_rmdir, "/tmp/no-such"); }, ENOENT},
    {"RmdirRoot", [] { return sys(SYS_rmdir, "/"); }, EBUSY},
    {"RmdirDot", [] { return sys(SYS_rmdir, "/tmp/."); }, EINVAL},
    {"RmdirDotDot", [] { return sys(SYS_rmdir, "/tmp/.."); }, ENOTEMPTY},
    {"RmdirFile", [] { return sys(SYS_rmdir, "/dev/null"); }, ENOTDIR},
    {"UnlinkMissing", [] { return sys(SYS_unlink, "/tmp/no-such"); }, ENOENT},
    {"UnlinkDirectory", [] { return sys(SYS_unlink, "/tmp"); }, EISDIR},
    {"UnlinkEmptyName", [] { return sys(SYS_unlink, ""); }, ENOENT},
    {"UnlinkBadPointer", [] { return sys(SYS_unlink, kNowhere); }, EFAULT},
    {"UnlinkatFlags", [] { return sys(SYS_unlinkat, AT_FDCWD, "x", 1); }, EINVAL},
    {"RenameMissing", [] { return sys(SYS_rename, "/tmp/no-such", "/tmp/x"); }, ENOENT},
    {"RenameBadFrom", [] { return sys(SYS_rename, kNowhere, "/tmp/x"); }, EFAULT},
    {"RenameBadTo", [] { return sys(SYS_rename, "/tmp/x", kNowhere); }, EFAULT},
    {"RenameDot", [] { return sys(SYS_rename, "/tmp/.", "/tmp/x"); }, EBUSY},
    {"Renameat2Flags", [] { return sys(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 8); }, EINVAL},
    {"Renameat2Contrary", [] { return sys(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 3); }, EINVAL},
    {"LinkMissing", [] { return sys(SYS_link, "/tmp/no-such", "/tmp/x"); }, ENOENT},
    {"LinkThere", [] { return sys(SYS_link, "/tmp", "/tmp"); }, EEXIST},
    {"LinkatFlags", [] { return sys(SYS_linkat, AT_FDCWD, "a", AT_FDCWD, "b", 1); }, EINVAL},
    {"SymlinkEmptyTarget", [] { return sys(SYS_symlink, "", "/tmp/x"); }, ENOENT},
    {"SymlinkThere", [] { return sys(SYS_symlink, "x", "/tmp"); }, EEXIST},
    {"SymlinkBadTarget", [] { return sys(SYS_symlink, kNowhere, "/tmp/x"); }, EFAULT},
    {"ReadlinkNotLink",
     [] {
       char c[8];
       return sys(SYS_readlink, "/tmp", c, sizeof c);
     },
     EINVAL},
    {"ReadlinkNoRoom",
     [] {
       char c[8];
       return sys(SYS_readlink, "/proc/self", c, 0);
     },
     EINVAL},
    {"ReadlinkMissing",
     [] {
       char c[8];
       return sys(SYS_readlink, "/nope", c, sizeof c);
     },
     ENOENT},
    {"MknodDirectory", [] { return sys(SYS_mknod, "/tmp/x", S_IFDIR | 0700, 0); }, EPERM},
    {"MknodType", [] { return sys(SYS_mknod, "/tmp/x", 0170000 | 0700, 0); }, EINVAL},
    {"MknodThere", [] { return sys(SYS_mknod, "/tmp", S_IFIFO | 0700, 0); }, EEXIST},
    {"ChmodMissing", [] { return sys(SYS_chmod, "/nope", 0644); }, ENOENT},
    {"ChmodBadPointer", [] { return sys(SYS_chmod, kNowhere, 0644); }, EFAULT},
    {"FchmodClosed", [] { return sys(SYS_fchmod, 999, 0644); }, EBADF},
    {"ChownMissing", [] { return sys(SYS_chown, "/nope", 0, 0); }, ENOENT},
    {"FchownClosed", [] { return sys(SYS_fchown, 999, 0, 0); }, EBADF},
    {"FchownatFlags", [] { return sys(SYS_fchownat, AT_FDCWD, "/tmp", -1, -1, 0x10000); }, EINVAL},
    {"UtimensatNanoseconds",
     [] {
       timespec t[2] = {{0, 2'000'000'000}, {0, 0}};
       return sys(SYS_utimensat, AT_FDCWD, "/tmp", t, 0);
     },
     EINVAL},
    {"UtimensatMissing", [] { return sys(SYS_utimensat, AT_FDCWD, "/nope", nullptr, 0); }, ENOENT},
    {"UtimensatFlags", [] { return sys(SYS_utimensat, AT_FDCWD, "/tmp", nullptr, 1); }, EINVAL},
    {"TruncateMissing", [] { return sys(SYS_truncate, "/nope", 0); }, ENOENT},
    {"TruncateDirectory", [] { return sys(SYS_truncate, "/tmp", 0); }, EISDIR},
    {"TruncateNegative", [] { return sys(SYS_truncate, "/tmp", -1L); }, EINVAL},
    {"StatfsMissing",
     [] {
       struct statfs s;
       return sys(SYS_statfs, "/nope", &s);
     },
     ENOENT},
    {"StatfsBadBuffer", [] { return sys(SYS_statfs, "/", kNowhere); }, EFAULT},
    {"FstatfsClosed",
     [] {
       struct statfs s;
       return sys(SYS_fstatfs, 999, &s);
     },
     EBADF},
    {"GetxattrMissing",
     [] {
       char c[8];
       return sys(SYS_getxattr, "/nope", "user.x", c, sizeof c);
     },
     ENOENT},
    {"GetdentsClosed",
     [] {
       char c[512];
       return sys(SYS_getdents64, 999, c, sizeof c);
     },
     EBADF},
    {"GetdentsFile",
     [] {
       char c[512];
       int fd = open("/dev/null", O_RDONLY);
       long result = sys(SYS_getdents64, fd, c, sizeof c);
       int error = errno;
       close(fd);
       errno = error;
       return result;
     },
     ENOTDIR},
    {"ChrootMissing", [] { return sys(SYS_chroot, "/nope"); }, ENOENT},
    {"ChrootFile", [] { return sys(SYS_chroot, "/dev/null"); }, ENOTDIR},
};
REFUSALS(Files, kRefusals);

class Files : public InDirectory {};

TEST_F(Files, CreateWriteReadBack) {
  write_file("f", "hello");
  EXPECT_EQ(read_file("f"), "hello");
  struct stat s;
  ASSERT_EQ(stat("f", &s), 0);
  EXPECT_EQ(s.st_size, 5);
  EXPECT_EQ(s.st_mode, S_IFREG | 0644u);
  EXPECT_EQ(s.st_nlink, 1u);
}
TEST_F(Files, OpenTruncates) {
  write_file("f", "hello");
  close(open("f", O_WRONLY | O_TRUNC));
  EXPECT_EQ(read_file("f"), "");
}
TEST_F(Files, ExclusiveCreateRefusesDanglingLink) {
  ASSERT_EQ(symlink("nowhere", "l"), 0);
  EXPECT_EQ(open("l", O_CREAT | O_EXCL | O_WRONLY, 0644), -1);
  EXPECT_EQ(errno, EEXIST);
}
TEST_F(Files, CreateFollowsDanglingLink) {
  ASSERT_EQ(symlink("target", "l"), 0);
  write_file("l", "x");
  EXPECT_EQ(read_file("target"), "x");
}
TEST_F(Files, NofollowRefusesLink) {
  write_file("f", "x");
  ASSERT_EQ(symlink("f", "l"), 0);
  EXPECT_EQ(open("l", O_RDONLY | O_NOFOLLOW), -1);
  EXPECT_EQ(errno, ELOOP);
}
TEST_F(Files, LinkLoop) {
  ASSERT_EQ(symlink("b", "a"), 0);
  ASSERT_EQ(symlink("a", "b"), 0);
  EXPECT_EQ(open("a", O_RDONLY), -1);
  EXPECT_EQ(errno, ELOOP);
}
TEST_F(Files, UmaskMasksNewFiles) {
  umask(027);
  write_file("f", "", 0666);
  mkdir("d", 0777);
  struct stat s;
  ASSERT_EQ(stat("f", &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0640u);
  ASSERT_EQ(stat("d", &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0750u);
  EXPECT_EQ(umask(0), 027u);
}
TEST_F(Files, SetGroupIdDirectoryIsInherited) {
  ASSERT_EQ(mkdir("d", 0755), 0);
  ASSERT_EQ(chown("d", 0, 77), 0);
  ASSERT_EQ(chmod("d", 02755), 0);
  write_file("d/f", "");
  ASSERT_EQ(mkdir("d/e", 0755), 0);
  struct stat s;
  ASSERT_EQ(stat("d/f", &s), 0);
  EXPECT_EQ(s.st_gid, 77u);
  ASSERT_EQ(stat("d/e", &s), 0);
  EXPECT_EQ(s.st_gid, 77u);
  EXPECT_TRUE(s.st_mode & S_ISGID);
}
TEST_F(Files, TmpfileHasNoName) {
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  ASSERT_GE(fd, 0);
  struct stat s;
  ASSERT_EQ(fstat(fd, &s), 0);
  EXPECT_EQ(s.st_nlink, 0u);
  EXPECT_EQ(write(fd, "x", 1), 1);
  close(fd);
  EXPECT_EQ(rmdir(directory_.c_str()), 0);  // nothing is in it
  ASSERT_EQ(mkdir(directory_.c_str(), 0755), 0);
}
TEST_F(Files, PathDescriptorDoesNoIo) {
  write_file("f", "x");
  int fd = open("f", O_PATH);
  ASSERT_GE(fd, 0);
  char c;
  EXPECT_EQ(read(fd, &c, 1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(fchmod(fd, 0600), -1);
  EXPECT_EQ(errno, EBADF);
  struct stat s;
  EXPECT_EQ(fstat(fd, &s), 0);
  EXPECT_EQ(sys(SYS_newfstatat, fd, "", &s, AT_EMPTY_PATH), 0);
  EXPECT_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
  close(fd);
}
TEST_F(Files, HardLinksShareTheInode) {
  write_file("a", "x");
  ASSERT_EQ(link("a", "b"), 0);
  struct stat a, b;
  ASSERT_EQ(stat("a", &a), 0);
  ASSERT_EQ(stat("b", &b), 0);
  EXPECT_EQ(a.st_ino, b.st_ino);
  EXPECT_EQ(a.st_nlink, 2u);
  ASSERT_EQ(unlink("a"), 0);
  ASSERT_EQ(stat("b", &b), 0);
  EXPECT_EQ(b.st_nlink, 1u);
  EXPECT_EQ(read_file("b"), "x");
}
TEST_F(Files, LinkToDirectoryIsRefused) {
  ASSERT_EQ(mkdir("d", 0755), 0);
  EXPECT_EQ(link("d", "e"), -1);
  EXPECT_EQ(errno, EPERM);
}
TEST_F(Files, UnlinkedFileStaysOpen) {
  write_file("f", "still");
  int fd = open("f", O_RDONLY);
  ASSERT_EQ(unlink("f"), 0);
  char buffer[8];
  EXPECT_EQ(read(fd, buffer, sizeof buffer), 5);
  struct stat s;
  ASSERT_EQ(fstat(fd, &s), 0);
  EXPECT_EQ(s.st_nlink, 0u);
  close(fd);
}
TEST_F(Files, RenameReplaces) {
  write_file("a", "new");
  write_file("b", "old");
  int old = open("b", O_RDONLY);
  ASSERT_EQ(rename("a", "b"), 0);
  EXPECT_EQ(read_file("b"), "new");
  EXPECT_EQ(access("a", F_OK), -1);
  char buffer[4] = {};
  EXPECT_EQ(read(old, buffer, 3), 3);
  EXPECT_STREQ(buffer, "old");
  close(old);
}
TEST_F(Files, RenameIntoItselfIsRefused) {
  ASSERT_EQ(mkdir("d", 0755), 0);
  EXPECT_EQ(rename("d", "d/e"), -1);
  EXPECT_EQ(errno, EINVAL);
}
TEST_F(Files, RenameOverFullDirectoryIsRefused) {
  ASSERT_EQ(mkdir("a", 0755), 0);
  ASSERT_EQ(mkdir("b", 0755), 0);
  write_file("b/f", "");
  EXPECT_EQ(rename("a", "b"), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
}
TEST_F(Files, RenameFileOverDirectory) {
  write_file("f", "");
  ASSERT_EQ(mkdir("d", 0755), 0);
  EXPECT_EQ(rename("f", "d"), -1);
  EXPECT_EQ(errno, EISDIR);
  EXPECT_EQ(rename("d", "f"), -1);
  EXPECT_EQ(errno, ENOTDIR);
}
TEST_F(Files, RenameToOwnLinkDoesNothing) {
  write_file("a", "x");
  ASSERT_EQ(link("a", "b"), 0);
  EXPECT_EQ(rename("a", "b"), 0);
  EXPECT_EQ(access("a", F_OK), 0);
}
TEST_F(Files, RenameNoReplace) {
  write_file("a", "1");
  write_file("b", "2");
  EXPECT_EQ(sys(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1), -1);
  EXPECT_EQ(errno, EEXIST);
}
TEST_F(Files, RenameExchange) {
  write_file("a", "1");
  write_file("b", "2");
  ASSERT_EQ(sys(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2), 0);
  EXPECT_EQ(read_file("a"), "2");
  EXPECT_EQ(read_file("b"), "1");
}
TEST_F(Files, ParentsLinkCountFollowsDirectories) {
  struct stat s;
  ASSERT_EQ(mkdir("d", 0755), 0);
  ASSERT_EQ(mkdir("d/e", 0755), 0);
  ASSERT_EQ(stat("d", &s), 0);
  if (s.st_nlink == 1) GTEST_SKIP() << "the filesystem of /tmp counts no subdirectories";
  EXPECT_EQ(s.st_nlink, 3u);
  ASSERT_EQ(rmdir("d/e"), 0);
  ASSERT_EQ(stat("d", &s), 0);
  EXPECT_EQ(s.st_nlink, 2u);
}
TEST_F(Files, RmdirOfFullDirectory) {
  ASSERT_EQ(mkdir("d", 0755), 0);
  write_file("d/f", "");
  EXPECT_EQ(rmdir("d"), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
}
TEST_F(Files, ReadlinkCutsOff) {
  ASSERT_EQ(symlink("target", "l"), 0);
  char buffer[16] = {};
  EXPECT_EQ(readlink("l", buffer, 3), 3);
  EXPECT_STREQ(buffer, "tar");
  EXPECT_EQ(readlink("l", buffer, sizeof buffer), 6);
  struct stat s;
  ASSERT_EQ(lstat("l", &s), 0);
  EXPECT_EQ(s.st_size, 6);
  EXPECT_EQ(s.st_mode, S_IFLNK | 0777u);
}
TEST_F(Files, GetdentsListsEverythingOnce) {
  std::set<std::string> expected = {".", ".."};
  for (int i = 0; i < 300; ++i) {
    std::string name = "file" + std::to_string(i);
    write_file(name.c_str(), "");
    expected.insert(name);
  }
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  std::multiset<std::string> seen;
  alignas(8) char buffer[512];
  for (long n; (n = sys(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;)
    for (long at = 0; at < n;) {
      auto* entry = reinterpret_cast<dirent64*>(buffer + at);
      seen.insert(entry->d_name);
      at += entry->d_reclen;
    }
  close(fd);
  EXPECT_EQ(seen, std::multiset<std::string>(expected.begin(), expected.end()));
}
TEST_F(Files, GetdentsNeedsRoomForOne) {
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  char buffer[8];
  EXPECT_EQ(sys(SYS_getdents64, fd, buffer, sizeof buffer), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(sys(SYS_getdents64, fd, kNowhere, 4096), -1);
  EXPECT_EQ(errno, EFAULT);
  close(fd);
}
TEST_F(Files, OldGetdentsHasTheTypeAtTheEnd) {
  write_file("f", "");
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  alignas(8) char buffer[1024];
  long n = sys(SYS_getdents, fd, buffer, sizeof buffer);
  ASSERT_GT(n, 0);
  int files = 0;
  for (long at = 0; at < n;) {
    struct Old {
      unsigned long inode, offset;
      unsigned short length;
      char name[1];
    };
    auto* entry = reinterpret_cast<Old*>(buffer + at);
    if (std::string(entry->name) == "f") {
      ++files;
      EXPECT_EQ(buffer[at + entry->length - 1], DT_REG);
    }
    at += entry->length;
  }
  EXPECT_EQ(files, 1);
  close(fd);
}
TEST_F(Files, CwdOfRemovedDirectory) {
  ASSERT_EQ(mkdir("d", 0755), 0);
  ASSERT_EQ(chdir("d"), 0);
  ASSERT_EQ(rmdir((directory_ + "/d").c_str()), 0);
  char buffer[64];
  EXPECT_EQ(sys(SYS_getcwd, buffer, sizeof buffer), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(open("f", O_CREAT | O_WRONLY, 0644), -1);
  EXPECT_EQ(errno, ENOENT);
}
TEST_F(Files, GetcwdFollowsRename) {
  ASSERT_EQ(mkdir("d", 0755), 0);
  ASSERT_EQ(chdir("d"), 0);
  ASSERT_EQ(rename((directory_ + "/d").c_str(), (directory_ + "/e").c_str()), 0);
  char buffer[PATH_MAX];
  ASSERT_NE(getcwd(buffer, sizeof buffer), nullptr);
  EXPECT_EQ(buffer, directory_ + "/e");
}
TEST_F(Files, ChmodAndChownChangeWhatStatShows) {
  write_file("f", "");
  ASSERT_EQ(chmod("f", 04711), 0);
  ASSERT_EQ(chown("f", 12, 34), 0);
  struct stat s;
  ASSERT_EQ(stat("f", &s), 0);
  EXPECT_EQ(s.st_uid, 12u);
  EXPECT_EQ(s.st_gid, 34u);
  EXPECT_EQ(s.st_mode & 07777, 0711u);  // the set-user-id bit goes with the owner
  ASSERT_EQ(chown("f", -1, 35), 0);
  ASSERT_EQ(stat("f", &s), 0);
  EXPECT_EQ(s.st_uid, 12u);
  EXPECT_EQ(s.st_gid, 35u);
}
TEST_F(Files, LchownLeavesTheTarget) {
  write_file("f", "");
  ASSERT_EQ(symlink("f", "l"), 0);
  ASSERT_EQ(lchown("l", 5, 6), 0);
  struct stat s;
  ASSERT_EQ(stat("f", &s), 0);
  EXPECT_EQ(s.st_uid, 0u);
  ASSERT_EQ(lstat("l", &s), 0);
  EXPECT_EQ(s.st_uid, 5u);
}
TEST_F(Files, UtimensatSetsAndOmits) {
  write_file("f", "");
  timespec times[2] = {{100, 5}, {200, 6}};
  ASSERT_EQ(utimensat(AT_FDCWD, "f", times, 0), 0);
  times[0].tv_nsec = UTIME_OMIT;
  times[1] = {300, 7};
  ASSERT_EQ(utimensat(AT_FDCWD, "f", times, 0), 0);
  struct stat s;
  ASSERT_EQ(stat("f", &s), 0);
  EXPECT_EQ(s.st_atim.tv_sec, 100);
  EXPECT_EQ(s.st_atim.tv_nsec, 5);
  EXPECT_EQ(s.st_mtim.tv_sec, 300);
  EXPECT_EQ(s.st_mtim.tv_nsec, 7);
}
TEST_F(Files, TruncateGrowsWithZeroes) {
  write_file("f", "abc");
  ASSERT_EQ(truncate("f", 1), 0);
  ASSERT_EQ(truncate("f", 4), 0);
  EXPECT_EQ(read_file("f"), std::string("a\0\0\0", 4));
}
TEST_F(Files, AttributesComeAndGo) {
  write_file("f", "");
  if (setxattr("f", "user.color", "red", 3, XATTR_CREATE) < 0 && errno == EOPNOTSUPP)
    GTEST_SKIP() << "the filesystem of /tmp has no user attributes";
  char buffer[16];
  EXPECT_EQ(getxattr("f", "user.color", nullptr, 0), 3);
  EXPECT_EQ(getxattr("f", "user.color", buffer, sizeof buffer), 3);
  EXPECT_EQ(getxattr("f", "user.color", buffer, 1), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(setxattr("f", "user.color", "x", 1, XATTR_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(setxattr("f", "user.other", "x", 1, XATTR_REPLACE), -1);
  EXPECT_EQ(errno, ENODATA);
  EXPECT_EQ(listxattr("f", nullptr, 0), 11);
  EXPECT_EQ(removexattr("f", "user.color"), 0);
  EXPECT_EQ(getxattr("f", "user.color", buffer, sizeof buffer), -1);
  EXPECT_EQ(errno, ENODATA);
}
TEST_F(Files, MknodMakesNodes) {
  ASSERT_EQ(mknod("p", S_IFIFO | 0600, 0), 0);
  struct stat s;
  ASSERT_EQ(stat("p", &s), 0);
  EXPECT_TRUE(S_ISFIFO(s.st_mode));
  ASSERT_EQ(mknod("r", 0600, 0), 0);
  ASSERT_EQ(stat("r", &s), 0);
  EXPECT_TRUE(S_ISREG(s.st_mode));
}
TEST_F(Files, OrdinaryUsersAreBoundByModes) {
  write_file("secret", "x", 0600);
  write_file("open", "x", 0644);
  ASSERT_EQ(mkdir("closed", 0700), 0);
  write_file("closed/f", "x", 0644);
  chmod(".", 0755);
  EXPECT_CHILD([] {
    REQUIRE(setgid(1000) == 0 && setuid(1000) == 0);
    REQUIRE(open("secret", O_RDONLY) == -1 && errno == EACCES);
    REQUIRE(open("open", O_RDONLY) >= 0);
    REQUIRE(open("open", O_WRONLY) == -1 && errno == EACCES);
    REQUIRE(open("closed/f", O_RDONLY) == -1 && errno == EACCES);
    REQUIRE(open("new", O_CREAT | O_WRONLY, 0644) == -1 && errno == EACCES);
    REQUIRE(unlink("open") == -1 && errno == EACCES);
    REQUIRE(chmod("open", 0777) == -1 && errno == EPERM);
    REQUIRE(chown("open", 1000, 1000) == -1 && errno == EPERM);
    REQUIRE(chdir("closed") == -1 && errno == EACCES);
    REQUIRE(access("open", R_OK) == 0);
    REQUIRE(access("open", W_OK) == -1 && errno == EACCES);
    REQUIRE(mkdir("d", 0755) == -1 && errno == EACCES);
    REQUIRE(chroot("/") == -1 && errno == EPERM);
    return 0;
  });
}
TEST_F(Files, StickyDirectoryKeepsOthersFiles) {
  ASSERT_EQ(mkdir("t", 0777), 0);
  ASSERT_EQ(chmod("t", 01777), 0);
  write_file("t/mine", "");
  chmod(".", 0755);
  EXPECT_CHILD([] {
    REQUIRE(setgid(1000) == 0 && setuid(1000) == 0);
    REQUIRE(unlink("t/mine") == -1 && errno == EPERM);
    REQUIRE(rename("t/mine", "t/yours") == -1 && errno == EPERM);
    REQUIRE(open("t/own", O_CREAT | O_WRONLY, 0644) >= 0);
    REQUIRE(unlink("t/own") == 0);
    return 0;
  });
}
TEST_F(Files, ChrootConfines) {
  ASSERT_EQ(mkdir("root", 0755), 0);
  write_file("root/inside", "");
  EXPECT_CHILD([] {
    REQUIRE(chroot("root") == 0);
    REQUIRE(access("/inside", F_OK) == 0);
    REQUIRE(access("/../inside", F_OK) == 0);
    REQUIRE(chdir("/") == 0);
    REQUIRE(access("../../inside", F_OK) == 0);
    return 0;
  });
}
TEST_F(Files, DotDotStopsAtRoot) {
  struct stat root, up;
  ASSERT_EQ(stat("/", &root), 0);
  ASSERT_EQ(stat("/../..", &up), 0);
  EXPECT_EQ(root.st_ino, up.st_ino);
}
TEST_F(Files, LseekFindsEnds) {
  write_file("f", "0123456789");
  int fd = open("f", O_RDONLY);
  EXPECT_EQ(lseek(fd, 0, SEEK_END), 10);
  EXPECT_EQ(lseek(fd, -3, SEEK_CUR), 7);
  EXPECT_EQ(lseek(fd, 100, SEEK_SET), 100);
  EXPECT_EQ(lseek(fd, -1, SEEK_SET), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(lseek(fd, 0, 77), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 10);
  EXPECT_EQ(lseek(fd, 10, SEEK_DATA), -1);
  EXPECT_EQ(errno, ENXIO);
  close(fd);
}
TEST_F(Files, StatxAgreesWithStat) {
  write_file("f", "xyz", 0640);
  struct stat s;
  struct statx x;
  ASSERT_EQ(stat("f", &s), 0);
  ASSERT_EQ(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x), 0);
  EXPECT_EQ(x.stx_ino, s.st_ino);
  EXPECT_EQ(x.stx_size, 3u);
  EXPECT_EQ(x.stx_mode, S_IFREG | 0640);
  EXPECT_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  EXPECT_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), s.st_dev);
}

}  // namespace
