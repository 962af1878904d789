// What every FileBackend does, and no matter whether it is the gofer that does it: the same cases for all of them.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "sandbox/fs/host/direct_backend.h"
#include "sandbox/gofer/client.h"
#include "sandbox/gofer/seccomp.h"
#include "sandbox/gofer/server.h"
#include "sys/socket.h"

namespace cella::sandbox::gofer {
namespace {

using fs::DirectBackend;
using fs::FileBackend;
using sys::FileDescriptor;

FileDescriptor path_only(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

// A gofer that is a child of the test's, with its filter, for as long as it is needed.
class ServerProcess {
 public:
  explicit ServerProcess(std::vector<Server::Root> roots) {
    auto [ours, theirs] = *sys::packet_pair();
    pid_ = ::fork();
    if (pid_ == 0) {
      ours.reset();
      ::umask(0);
      FileDescriptor descriptors(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
      Server server(std::move(roots), {.descriptors = descriptors.get()});
      if (!install_filter()) ::_exit(2);
      ::_exit(server.serve(theirs.get()) ? 0 : 1);
    }
    socket = std::move(ours);
  }
  ~ServerProcess() {
    socket.reset();
    if (pid_ > 0) wait();
  }
  // Its wait status: 0 when it ended as it should.
  int wait() {
    int status = -1;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  void kill() { ::kill(pid_, SIGKILL); }

  FileDescriptor socket;

 private:
  pid_t pid_;
};

struct Kind {
  const char* name;
  bool is_gofer = false, outlives_names = false, exclusive = false;
};

// Below a directory of its own.
class BackendTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    ::umask(0);
    char name[] = "/tmp/cella-backend-XXXXXX";
    path_ = ::mkdtemp(name);
    write("file", "content");
    ::mkdir((path_ + "/directory").c_str(), 0755);
    write("directory/inside", "inside");
    ::symlink("file", (path_ + "/link").c_str());
    descriptors_ = FileDescriptor(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    backend_ = make(path_);
  }
  void TearDown() override {
    backend_.reset();
    for (auto& server : servers_) {
      server->socket.reset();
      EXPECT_EQ(server->wait(), 0);
    }
    std::filesystem::remove_all(path_);
  }

  std::shared_ptr<FileBackend> make(const std::string& path, bool read_only = false) {
    if (!GetParam().is_gofer) {
      return std::make_shared<DirectBackend>(path_only(path), GetParam().outlives_names ? descriptors_.get() : -1);
    }
    std::vector<Server::Root> roots;
    roots.push_back({path_only("/"), true});
    roots.push_back({path_only(path), read_only});
    servers_.push_back(std::make_unique<ServerProcess>(std::move(roots)));
    FileDescriptor socket(::fcntl(servers_.back()->socket.get(), F_DUPFD_CLOEXEC, 0));
    servers_.back()->socket.reset();
    return make_gofer_backend(make_connection(std::move(socket)), 1, {.exclusive = GetParam().exclusive});
  }

  void write(const std::string& name, const std::string& text) { std::ofstream(path_ + "/" + name) << text; }
  std::string read(const FileDescriptor& fd) {
    std::string text(64, '\0');
    const ssize_t n = ::pread(fd.get(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }
  FileBackend::Id find(const std::string& name, FileBackend::Id directory = FileBackend::kRoot) {
    auto node = backend_->lookup(directory, name);
    EXPECT_TRUE(node) << name << ": " << (node ? "" : strerror(node.error().value));
    return node ? node->id : ~0ull;
  }
  FileBackend::Node create(const std::string& name, uint32_t mode, FileBackend::Id directory = FileBackend::kRoot) {
    auto node = backend_->create(directory, new_file(name, mode));
    EXPECT_TRUE(node) << name << ": " << (node ? "" : strerror(node.error().value));
    return node.value_or(FileBackend::Node());
  }
  static vfs::NewFile new_file(const std::string& name, uint32_t mode) {
    return {name, mode, 0, ::geteuid(), ::getegid()};
  }
  struct stat host(const std::string& name) {
    struct stat now = {};
    EXPECT_EQ(::lstat((path_ + "/" + name).c_str(), &now), 0) << name;
    return now;
  }
  bool is_there(const std::string& name) {
    struct stat now;
    return ::lstat((path_ + "/" + name).c_str(), &now) == 0;
  }
  template <typename T>
  static int error(const SysResult<T>& result) {
    return result ? 0 : result.error().value;
  }

  std::string path_;
  FileDescriptor descriptors_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::shared_ptr<FileBackend> backend_;
};

INSTANTIATE_TEST_SUITE_P(All, BackendTest,
                         testing::Values(Kind{"DirectByName"}, Kind{"Direct", false, true}, Kind{"Gofer", true, true},
                                         Kind{"ExclusiveGofer", true, true, true}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(BackendTest, LookupTellsWhatIsThere) {
  auto node = backend_->lookup(FileBackend::kRoot, "file");
  ASSERT_TRUE(node);
  const struct stat wanted = host("file");
  EXPECT_EQ(node->attributes.st_ino, wanted.st_ino);
  EXPECT_EQ(node->attributes.st_dev, wanted.st_dev);
  EXPECT_EQ(node->attributes.st_mode, wanted.st_mode);
  EXPECT_EQ(node->attributes.st_size, 7);
  EXPECT_EQ(node->attributes.st_mtim.tv_nsec, wanted.st_mtim.tv_nsec);
  EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, "nothing")), ENOENT);
  EXPECT_EQ(error(backend_->lookup(node->id, "below")), ENOTDIR);
  // A link is itself.
  auto link = backend_->lookup(FileBackend::kRoot, "link");
  ASSERT_TRUE(link);
  EXPECT_TRUE(S_ISLNK(link->attributes.st_mode));
  EXPECT_EQ(error(backend_->lookup(link->id, "below")), ENOTDIR);
}

TEST_P(BackendTest, NodesThatWereNotGivenAreRefused) {
  const FileBackend::Id file = find("file");
  EXPECT_EQ(error(backend_->attributes(file + 1000)), EBADF);
  EXPECT_EQ(error(backend_->lookup(~0ull, "file")), EBADF);
  EXPECT_EQ(error(backend_->open(file + 1000, O_RDONLY)), EBADF);
  EXPECT_EQ(error(backend_->link(FileBackend::kRoot, "name", file + 1000)), EBADF);
  EXPECT_EQ(error(backend_->rename(FileBackend::kRoot, "file", file + 1000, "name", 0)), EBADF);
  backend_->forget(FileBackend::kRoot);  // the root stays
  EXPECT_TRUE(backend_->attributes(FileBackend::kRoot));
}

TEST_P(BackendTest, OpenGivesTheFileItself) {
  const FileBackend::Id file = find("file");
  auto reader = backend_->open(file, O_RDONLY);
  ASSERT_TRUE(reader);
  EXPECT_EQ(read(*reader), "content");
  EXPECT_EQ(::write(reader->get(), "x", 1), -1);
  auto writer = backend_->open(file, O_RDWR | O_TRUNC);
  ASSERT_TRUE(writer);
  EXPECT_EQ(read(*reader), "");
  EXPECT_EQ(::pwrite(writer->get(), "new", 3, 0), 3);
  EXPECT_EQ(read(*reader), "new");
  EXPECT_EQ(backend_->attributes(file)->st_size, 3);
  auto appender = backend_->open(file, O_WRONLY | O_APPEND);
  ASSERT_TRUE(appender);
  EXPECT_EQ(::write(appender->get(), "er", 2), 2);
  EXPECT_EQ(read(*reader), "newer");
  EXPECT_NE(::fcntl(reader->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_P(BackendTest, OnlyRegularFilesAreOpened) {
  EXPECT_EQ(error(backend_->open(FileBackend::kRoot, O_RDONLY)), EISDIR);
  EXPECT_EQ(error(backend_->open(find("directory"), O_RDONLY)), EISDIR);
  EXPECT_EQ(error(backend_->open(find("link"), O_RDONLY)), ELOOP);
  EXPECT_EQ(error(backend_->open(create("fifo", S_IFIFO | 0600).id, O_RDONLY)), ENXIO);
}

TEST_P(BackendTest, AParentMayBeForgottenFirst) {
  const FileBackend::Id directory = find("directory"), inside = find("inside", directory);
  backend_->forget(directory);
  (void)backend_->statistics(FileBackend::kRoot);
  auto file = backend_->open(inside, O_RDONLY);
  ASSERT_TRUE(file);
  EXPECT_EQ(read(*file), "inside");
  vfs::AttributeChange change;
  change.mode = 0600;
  EXPECT_TRUE(backend_->set_attributes(inside, change));
  EXPECT_EQ(host("directory/inside").st_mode & 07777, 0600u);
}

TEST_P(BackendTest, ARootMayBeASingleFile) {
  backend_ = make(path_ + "/file");
  EXPECT_EQ(backend_->attributes(FileBackend::kRoot)->st_size, 7);
  if (!GetParam().outlives_names) {
    // By name there is no way to it, unless it came open.
    EXPECT_EQ(error(backend_->open(FileBackend::kRoot, O_RDONLY)), ESTALE);
    backend_ = std::make_shared<DirectBackend>(FileDescriptor(::open((path_ + "/file").c_str(), O_RDWR | O_CLOEXEC)));
  }
  auto file = backend_->open(FileBackend::kRoot, O_RDWR);
  ASSERT_TRUE(file);
  EXPECT_EQ(read(*file), "content");
  vfs::AttributeChange change;
  change.size = 3;
  change.mode = 0604;
  change.mtime = timespec{7, 8};
  ASSERT_TRUE(backend_->set_attributes(FileBackend::kRoot, change));
  EXPECT_EQ(read(*file), "con");
  EXPECT_EQ(host("file").st_mode & 07777, 0604u);
  EXPECT_EQ(host("file").st_mtim.tv_nsec, 8);
  EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, "file")), ENOTDIR);
  EXPECT_EQ(error(backend_->list(FileBackend::kRoot)), ENOTDIR);
}

TEST_P(BackendTest, ARootThatCameReadOnlyStaysSo) {
  if (GetParam().is_gofer) return;  // AReadOnlyRootRefusesEveryChange
  backend_ = std::make_shared<DirectBackend>(FileDescriptor(::open((path_ + "/file").c_str(), O_RDONLY | O_CLOEXEC)));
  EXPECT_TRUE(backend_->open(FileBackend::kRoot, O_RDONLY));
  EXPECT_EQ(error(backend_->open(FileBackend::kRoot, O_RDWR)), EROFS);
  EXPECT_EQ(error(backend_->open(FileBackend::kRoot, O_RDONLY | O_TRUNC)), EROFS);
}

TEST_P(BackendTest, AFileOutlivesItsName) {
  const FileBackend::Id file = find("file");
  ASSERT_TRUE(backend_->unlink(FileBackend::kRoot, "file", false));
  if (!GetParam().outlives_names) {
    EXPECT_EQ(error(backend_->open(file, O_RDWR)), ENOENT);
    return;
  }
  EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, "file")), ENOENT);
  EXPECT_EQ(backend_->attributes(file)->st_nlink, 0u);
  auto again = backend_->open(file, O_RDWR);
  ASSERT_TRUE(again);
  vfs::AttributeChange change;
  change.size = 2;
  change.mode = 0640;
  change.mtime = timespec{7, 8};
  ASSERT_TRUE(backend_->set_attributes(file, change));
  EXPECT_EQ(read(*again), "co");
  EXPECT_EQ(backend_->attributes(file)->st_mode & 07777, 0640u);
  EXPECT_EQ(backend_->attributes(file)->st_mtim.tv_nsec, 8);
  EXPECT_EQ(error(backend_->link(FileBackend::kRoot, "again", file)), ENOENT);
}

TEST_P(BackendTest, ANameThatMeansAnotherFileIsNotFollowed) {
  const FileBackend::Id file = find("file");
  ::rename((path_ + "/directory/inside").c_str(), (path_ + "/file").c_str());
  auto opened = backend_->open(file, O_RDWR | O_TRUNC);
  if (GetParam().outlives_names) {
    EXPECT_TRUE(opened);
  } else {
    EXPECT_EQ(error(opened), ESTALE);
  }
  EXPECT_EQ(host("file").st_size, 6);
}

TEST_P(BackendTest, AttributesAreChanged) {
  for (const char* name : {"file", "directory"}) {
    const FileBackend::Id node = find(name);
    (void)backend_->attributes(node);
    vfs::AttributeChange change;
    change.mode = 04750;
    change.atime = timespec{100, 5};
    change.mtime = timespec{200, 6};
    ASSERT_TRUE(backend_->set_attributes(node, change)) << name;
    const struct stat now = *backend_->attributes(node);
    EXPECT_EQ(now.st_mode & 07777, 04750u);
    EXPECT_EQ(now.st_atim.tv_sec, 100);
    EXPECT_EQ(now.st_mtim.tv_nsec, 6);
    EXPECT_EQ(host(name).st_mode, now.st_mode);
    change = {};
    change.atime = timespec{0, UTIME_OMIT};
    change.mtime = timespec{0, UTIME_NOW};
    ASSERT_TRUE(backend_->set_attributes(node, change));
    EXPECT_EQ(backend_->attributes(node)->st_atim.tv_sec, 100);
    EXPECT_GT(backend_->attributes(node)->st_mtim.tv_sec, 200);
  }
  vfs::AttributeChange change;
  change.size = 1;
  EXPECT_EQ(error(backend_->set_attributes(find("directory"), change)), EISDIR);
  EXPECT_TRUE(backend_->set_attributes(find("file"), change));
  EXPECT_EQ(host("file").st_size, 1);
  change = {};
  change.mtime = timespec{300, 7};
  EXPECT_TRUE(backend_->set_attributes(find("link"), change));
  EXPECT_EQ(host("link").st_mtim.tv_sec, 300);
  EXPECT_NE(host("file").st_mtim.tv_sec, 300);
  change = {};
  change.mode = 0700;
  EXPECT_EQ(error(backend_->set_attributes(find("link"), change)), EOPNOTSUPP);
}

TEST_P(BackendTest, OwnersAreChanged) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  vfs::AttributeChange change;
  change.uid = 7;
  change.gid = 8;
  for (const char* name : {"file", "directory", "link"}) {
    ASSERT_TRUE(backend_->set_attributes(find(name), change));
    EXPECT_EQ(host(name).st_uid, 7u);
    EXPECT_EQ(host(name).st_gid, 8u);
  }
  change.uid.reset();
  change.gid = 9;
  ASSERT_TRUE(backend_->set_attributes(find("file"), change));
  EXPECT_EQ(host("file").st_uid, 7u);
  EXPECT_EQ(host("file").st_gid, 9u);
  vfs::NewFile file = {"given", S_IFREG | 06755, 0, 7, 8};
  ASSERT_TRUE(backend_->create(FileBackend::kRoot, file));
  EXPECT_EQ(host("given").st_uid, 7u);
  EXPECT_EQ(host("given").st_mode, S_IFREG | 06755u);
}

TEST_P(BackendTest, EachKindOfNodeIsMade) {
  for (uint32_t mode : {S_IFREG | 0642u, S_IFDIR | 01751u, S_IFIFO | 0620u, S_IFSOCK | 0711u}) {
    const std::string name = "new" + std::to_string(mode);
    const FileBackend::Node made = create(name, mode);
    EXPECT_EQ(made.attributes.st_mode, mode);
    EXPECT_EQ(host(name).st_mode, mode);
    EXPECT_EQ(error(backend_->create(FileBackend::kRoot, new_file(name, mode))), EEXIST);
    EXPECT_EQ(find(name) == ~0ull, false);
  }
  EXPECT_EQ(error(backend_->create(find("file"), new_file("below", S_IFREG | 0600))), ENOTDIR);
  auto written = backend_->open(create("written", S_IFREG | 0).id, O_WRONLY);
  if (::geteuid() == 0) {
    ASSERT_TRUE(written);
  }
}

TEST_P(BackendTest, LinksAreMadeAndRead) {
  auto link = backend_->symlink(FileBackend::kRoot, new_file("new", S_IFLNK | 0777), "/some/where");
  ASSERT_TRUE(link);
  EXPECT_TRUE(S_ISLNK(link->attributes.st_mode));
  EXPECT_EQ(*backend_->read_link(link->id), "/some/where");
  EXPECT_EQ(*backend_->read_link(link->id), "/some/where");
  EXPECT_EQ(*backend_->read_link(find("link")), "file");
  EXPECT_NE(error(backend_->read_link(find("file"))), 0);
  EXPECT_EQ(error(backend_->symlink(FileBackend::kRoot, new_file("new", S_IFLNK | 0777), "x")), EEXIST);
  const std::string longest(4095, 'l');
  ASSERT_TRUE(backend_->symlink(FileBackend::kRoot, new_file("long", S_IFLNK | 0777), longest));
  EXPECT_EQ(*backend_->read_link(find("long")), longest);

  const FileBackend::Id file = find("file");
  EXPECT_EQ(backend_->attributes(file)->st_nlink, 1u);
  ASSERT_TRUE(backend_->link(find("directory"), "hard", file));
  EXPECT_EQ(host("directory/hard").st_ino, host("file").st_ino);
  EXPECT_EQ(backend_->attributes(file)->st_nlink, 2u);
  EXPECT_EQ(error(backend_->link(FileBackend::kRoot, "link", file)), EEXIST);
  // Not what the link leads to.
  ASSERT_TRUE(backend_->link(FileBackend::kRoot, "link2", find("link")));
  EXPECT_TRUE(S_ISLNK(host("link2").st_mode));
  // Through one name as through the other.
  vfs::AttributeChange change;
  change.mode = 0611;
  ASSERT_TRUE(backend_->set_attributes(find("hard", find("directory")), change));
  EXPECT_EQ(backend_->attributes(file)->st_mode & 07777, 0611u);
}

TEST_P(BackendTest, NamesAreRemoved) {
  EXPECT_EQ(error(backend_->unlink(FileBackend::kRoot, "directory", false)), EISDIR);
  EXPECT_EQ(error(backend_->unlink(FileBackend::kRoot, "directory", true)), ENOTEMPTY);
  EXPECT_EQ(error(backend_->unlink(FileBackend::kRoot, "file", true)), ENOTDIR);
  EXPECT_EQ(error(backend_->unlink(FileBackend::kRoot, "nothing", false)), ENOENT);
  backend_->forget(find("inside", find("directory")));
  ASSERT_TRUE(backend_->unlink(find("directory"), "inside", false));
  EXPECT_EQ(error(backend_->lookup(find("directory"), "inside")), ENOENT);
  backend_->forget(find("directory"));
  ASSERT_TRUE(backend_->unlink(FileBackend::kRoot, "directory", true));
  EXPECT_FALSE(is_there("directory"));
  EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, "directory")), ENOENT);
  ASSERT_TRUE(backend_->unlink(FileBackend::kRoot, "link", false));
  EXPECT_TRUE(is_there("file"));
}

TEST_P(BackendTest, NamesMove) {
  const FileBackend::Id file = find("file"), directory = find("directory");
  ASSERT_TRUE(backend_->rename(FileBackend::kRoot, "file", directory, "moved", 0));
  EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, "file")), ENOENT);
  EXPECT_EQ(backend_->lookup(directory, "moved")->attributes.st_ino, host("directory/moved").st_ino);
  // The node is the same one.
  auto opened = backend_->open(file, O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(read(*opened), "content");
  EXPECT_EQ(error(backend_->rename(directory, "moved", directory, "inside", RENAME_NOREPLACE)), EEXIST);
  ASSERT_TRUE(backend_->rename(directory, "moved", directory, "inside", RENAME_EXCHANGE));
  opened = backend_->open(find("inside", directory), O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(read(*opened), "content");
  opened = backend_->open(file, O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(read(*opened), "content");
  ASSERT_TRUE(backend_->rename(directory, "moved", directory, "inside", 0));
  opened = backend_->open(find("inside", directory), O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(read(*opened), "inside");
  EXPECT_EQ(error(backend_->rename(FileBackend::kRoot, "directory", directory, "into-itself", 0)), EINVAL);
  ASSERT_TRUE(backend_->rename(FileBackend::kRoot, "directory", FileBackend::kRoot, "elsewhere", 0));
  EXPECT_TRUE(backend_->lookup(directory, "inside"));
}

TEST_P(BackendTest, DirectoriesAreListed) {
  std::set<std::string> wanted = {"file", "directory", "link"}, names;
  // More than one message holds.
  for (int i = 0; i < 1200; ++i) {
    const std::string name = std::to_string(i) + std::string(200, 'n');
    write(name, "");
    wanted.insert(name);
  }
  auto entries = backend_->list(FileBackend::kRoot);
  ASSERT_TRUE(entries);
  for (const FileBackend::Entry& entry : *entries) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(entry.inode, host(entry.name).st_ino);
    EXPECT_EQ(entry.type, entry.name == "directory" ? DT_DIR : entry.name == "link" ? DT_LNK : DT_REG);
  }
  EXPECT_EQ(names, wanted);
  EXPECT_EQ(error(backend_->list(find("file"))), ENOTDIR);
  EXPECT_TRUE(backend_->list(create("empty", S_IFDIR | 0755).id)->empty());
}

TEST_P(BackendTest, StatisticsAreTheFilesystems) {
  struct statfs wanted;
  ASSERT_EQ(::statfs(path_.c_str(), &wanted), 0);
  auto got = backend_->statistics(find("file"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->f_type, wanted.f_type);
  EXPECT_EQ(got->f_blocks, wanted.f_blocks);
  EXPECT_EQ(got->f_bsize, wanted.f_bsize);
  EXPECT_EQ(got->f_fsid.__val[1], wanted.f_fsid.__val[1]);
}

TEST_P(BackendTest, ExtendedAttributes) {
  const FileBackend::Id file = find("file");
  auto set = backend_->set_xattr(file, "user.one", "1", 0);
  if (error(set) == EOPNOTSUPP) GTEST_SKIP() << "the filesystem of /tmp has none";
  ASSERT_TRUE(set);
  const std::string binary("a\0b", 3);
  ASSERT_TRUE(backend_->set_xattr(file, "user.two", binary, 0));
  EXPECT_EQ(*backend_->get_xattr(file, "user.two"), binary);
  EXPECT_EQ(error(backend_->set_xattr(file, "user.two", "x", 1 /* XATTR_CREATE */)), EEXIST);
  EXPECT_EQ(error(backend_->get_xattr(file, "user.three")), ENODATA);
  auto names = *backend_->list_xattrs(file);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), (std::set<std::string>{"user.one", "user.two"}));
  ASSERT_TRUE(backend_->remove_xattr(file, "user.one"));
  EXPECT_EQ(error(backend_->remove_xattr(file, "user.one")), ENODATA);
  EXPECT_TRUE(backend_->set_xattr(find("directory"), "user.directory", "", 0));
  EXPECT_EQ(*backend_->get_xattr(find("directory"), "user.directory"), "");
  // As xattr(7) has it of what is no file and no directory.
  EXPECT_EQ(error(backend_->set_xattr(find("link"), "user.link", "", 0)), EPERM);
  EXPECT_EQ(error(backend_->get_xattr(find("link"), "user.link")), ENODATA);
  EXPECT_TRUE(backend_->list_xattrs(find("link"))->empty());
}

TEST_P(BackendTest, ChangesOfOursAreSeen) {
  const FileBackend::Id directory = find("directory");
  const struct stat before = *backend_->attributes(directory);
  create("new", S_IFDIR | 0755, directory);
  EXPECT_EQ(backend_->attributes(directory)->st_nlink, before.st_nlink + 1);
  ASSERT_TRUE(backend_->rename(directory, "new", FileBackend::kRoot, "new", 0));
  EXPECT_EQ(backend_->attributes(directory)->st_nlink, before.st_nlink);
  // What is written through a descriptor passes the backend by.
  const FileBackend::Id inside = find("inside", directory);
  EXPECT_EQ(backend_->attributes(inside)->st_size, 6);
  auto file = backend_->open(inside, O_WRONLY);
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(file->get(), 100), 0);
  EXPECT_EQ(backend_->attributes(inside)->st_size, 100);
  backend_->forget(inside);
  EXPECT_EQ(backend_->attributes(find("inside", directory))->st_size, 100);
}

TEST_P(BackendTest, ChangesOfOthersAreSeenAfterwards) {
  const FileBackend::Id directory = find("directory");
  (void)backend_->attributes(directory);
  if (GetParam().exclusive) return;  // OnlyAnExclusiveRootKeepsNames
  ::chmod((path_ + "/directory").c_str(), 0711);
  EXPECT_EQ(backend_->attributes(directory)->st_mode & 07777, 0711u);
  // Also what was found and not looked at for a while.
  const FileBackend::Id file = find("file");
  ::chmod((path_ + "/file").c_str(), 0611);
  ::usleep(1000);
  EXPECT_EQ(backend_->attributes(file)->st_mode & 07777, 0611u);
  // Two names of one file.
  ::link((path_ + "/file").c_str(), (path_ + "/hard").c_str());
  const FileBackend::Id hard = find("hard");
  vfs::AttributeChange change;
  change.mode = 0600;
  ASSERT_TRUE(backend_->set_attributes(file, change));
  EXPECT_EQ(backend_->attributes(hard)->st_mode & 07777, 0600u);
}

// --- what only the gofer has

class GoferTest : public BackendTest {};
INSTANTIATE_TEST_SUITE_P(All, GoferTest,
                         testing::Values(Kind{"Gofer", true, true}, Kind{"ExclusiveGofer", true, true, true}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(GoferTest, AReadOnlyRootRefusesEveryChange) {
  backend_ = make(path_, true);
  const FileBackend::Id file = find("file"), directory = find("directory");
  vfs::AttributeChange change;
  change.mode = 0;
  EXPECT_EQ(error(backend_->set_attributes(file, change)), EROFS);
  EXPECT_EQ(error(backend_->open(file, O_WRONLY)), EROFS);
  EXPECT_EQ(error(backend_->open(file, O_RDWR)), EROFS);
  EXPECT_EQ(error(backend_->open(file, O_RDONLY | O_TRUNC)), EROFS);
  EXPECT_EQ(error(backend_->create(directory, new_file("new", S_IFREG))), EROFS);
  EXPECT_EQ(error(backend_->symlink(directory, new_file("new", S_IFLNK), "x")), EROFS);
  EXPECT_EQ(error(backend_->link(directory, "new", file)), EROFS);
  EXPECT_EQ(error(backend_->unlink(FileBackend::kRoot, "file", false)), EROFS);
  EXPECT_EQ(error(backend_->rename(FileBackend::kRoot, "file", directory, "x", 0)), EROFS);
  EXPECT_EQ(error(backend_->set_xattr(file, "user.x", "", 0)), EROFS);
  EXPECT_EQ(error(backend_->remove_xattr(file, "user.x")), EROFS);
  auto opened = backend_->open(file, O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(read(*opened), "content");
  EXPECT_EQ(host("file").st_size, 7);
}

TEST_P(GoferTest, DevicesAreNotMade) {
  vfs::NewFile file = new_file("device", S_IFCHR | 0666);
  file.device = 0x103;
  EXPECT_EQ(error(backend_->create(FileBackend::kRoot, file)), EPERM);
  file.mode = S_IFBLK | 0666;
  EXPECT_EQ(error(backend_->create(FileBackend::kRoot, file)), EPERM);
  EXPECT_FALSE(is_there("device"));
}

TEST_P(GoferTest, NamesThatAreNoneAreRefused) {
  const std::string with_nul("file\0", 5);
  for (const std::string& name : {std::string(".."), std::string("."), std::string(""), std::string("directory/inside"),
                                  std::string("/"), with_nul, std::string(256, 'x')}) {
    EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, name)), EINVAL) << name;
    EXPECT_EQ(error(backend_->create(FileBackend::kRoot, new_file(name, S_IFREG | 0600))), EINVAL) << name;
    EXPECT_EQ(error(backend_->symlink(FileBackend::kRoot, new_file(name, S_IFLNK), "x")), EINVAL) << name;
    EXPECT_EQ(error(backend_->link(FileBackend::kRoot, name, find("file"))), EINVAL) << name;
    EXPECT_EQ(error(backend_->unlink(FileBackend::kRoot, name, false)), EINVAL) << name;
    EXPECT_EQ(error(backend_->rename(FileBackend::kRoot, name, FileBackend::kRoot, "x", 0)), EINVAL) << name;
    EXPECT_EQ(error(backend_->rename(FileBackend::kRoot, "file", FileBackend::kRoot, name, 0)), EINVAL) << name;
  }
  EXPECT_EQ(error(backend_->symlink(FileBackend::kRoot, new_file("x", S_IFLNK), "")), EINVAL);
  EXPECT_EQ(error(backend_->rename(FileBackend::kRoot, "file", FileBackend::kRoot, "x", RENAME_WHITEOUT)), EINVAL);
}

TEST_P(GoferTest, AGoferThatHasEndedIsAnError) {
  const FileBackend::Id file = find("file");
  servers_.back()->kill();
  EXPECT_EQ(WTERMSIG(servers_.back()->wait()), SIGKILL);
  servers_.pop_back();
  EXPECT_EQ(error(backend_->statistics(file)), EIO);
  EXPECT_EQ(error(backend_->open(file, O_RDONLY)), EIO);
  backend_->forget(file);
}

// Names that are kept and nodes in use, told apart by what the host changes behind our back.
TEST_P(GoferTest, OnlyAnExclusiveRootKeepsNames) {
  backend_->forget(find("file"));
  ::unlink((path_ + "/file").c_str());
  EXPECT_EQ(error(backend_->lookup(FileBackend::kRoot, "file")), GetParam().exclusive ? 0 : ENOENT);
  const FileBackend::Id directory = find("directory");
  ::chmod((path_ + "/directory").c_str(), 0700);
  ::usleep(1000);
  EXPECT_EQ(backend_->attributes(directory)->st_mode & 07777, GetParam().exclusive ? 0755u : 0700u);
}

TEST(ServerLimits, NodesAreBounded) {
  std::vector<Server::Root> roots;
  roots.push_back({path_only("/"), true});
  Server server(std::move(roots), {.max_nodes = 3});
  auto lookup = [&] {
    Writer request;
    request.put(Head{static_cast<uint64_t>(Operation::kLookup), 0, 0, 0});
    request.put("tmp");
    Reader answer(server.answer(request.bytes()).bytes);
    uint64_t error = ~0ull;
    EXPECT_TRUE(answer.get(error));
    return error;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(lookup(), 0u);
  EXPECT_EQ(lookup(), static_cast<uint64_t>(ENFILE));
  Writer request;
  request.put(Head{static_cast<uint64_t>(Operation::kForget), 0, 0, 1});
  request.put(2);
  EXPECT_FALSE(server.answer(request.bytes()).is_wanted);
  EXPECT_EQ(lookup(), 0u);
}

}  // namespace
}  // namespace cella::sandbox::gofer
