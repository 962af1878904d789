#include "container/state_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "sys/file.h"

namespace cella::container {
namespace {

class StateDirectoryTest : public testing::Test {
 protected:
  StateDirectoryTest() {
    char name[] = "/tmp/cella-state-XXXXXX";
    base_ = ::mkdtemp(name);
    root_ = base_ + "/root";
  }
  ~StateDirectoryTest() override { (void)sys::remove_tree_at(sys::kCurrentDirectory, base_.c_str()); }

  StateDirectory make(const char* id) {
    Result<StateDirectory> made = StateDirectory::create(root_, id);
    EXPECT_TRUE(made) << (made ? "" : made.error().text());
    return std::move(*made);
  }
  bool exists(const std::string& path) { return ::access((root_ + "/" + path).c_str(), F_OK) == 0; }

  std::string base_, root_;
};

TEST(CheckId, TakesWhatRuncTakes) {
  for (const char* id : {"a", "web.1", "A_b+c-d", "-x", "...", "0"}) EXPECT_TRUE(check_id(id)) << id;
}

TEST(CheckId, RefusesTheRest) {
  const std::string longest(255, 'a');
  EXPECT_TRUE(check_id(longest));
  for (const std::string& id : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                std::string("a b"), std::string("ä"), std::string("a\0b", 3), longest + "a"}) {
    Result<void> checked = check_id(id);
    ASSERT_FALSE(checked) << id;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidIdFormat);
  }
}

TEST_F(StateDirectoryTest, AnIdIsTakenOnce) {
  StateDirectory first = make("web");
  Result<StateDirectory> second = StateDirectory::create(root_, "web");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kIdInUse);
  EXPECT_EQ(second.error().text(), "container with id web already exists");
  EXPECT_TRUE(first.remove());
  EXPECT_TRUE(StateDirectory::create(root_, "web"));
}

TEST_F(StateDirectoryTest, OpensWhatIsThere) {
  Result<StateDirectory> missing = StateDirectory::open(root_, "web");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kContainerNotExists);
  EXPECT_EQ(missing.error().text(), "container web does not exist");
  EXPECT_EQ(StateDirectory::open(root_, "../web").error().code, ErrorCode::kInvalidIdFormat);
  make("web");
  EXPECT_TRUE(StateDirectory::open(root_, "web"));
}

TEST_F(StateDirectoryTest, IsNotFollowedThroughALink) {
  make("web");
  ASSERT_EQ(::symlink((root_ + "/web").c_str(), (root_ + "/link").c_str()), 0);
  EXPECT_FALSE(StateDirectory::open(root_, "link"));
}

TEST_F(StateDirectoryTest, LockKeepsOthersOutUntilItIsGivenBack) {
  StateDirectory maker = make("web");
  StateDirectory other = *StateDirectory::open(root_, "web");
  Result<void> locked = other.lock(0);
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().text(), "container web is being changed by another process");
  maker.unlock();
  EXPECT_TRUE(other.lock(0));
  EXPECT_FALSE(maker.lock(0));
}

TEST_F(StateDirectoryTest, LockWaits) {
  StateDirectory maker = make("web");
  StateDirectory other = *StateDirectory::open(root_, "web");
  std::jthread later([&] {
    ::usleep(30'000);
    maker.unlock();
  });
  EXPECT_TRUE(other.lock(5'000));
}

TEST_F(StateDirectoryTest, LockOfWhatWasRemovedMeanwhileSaysSo) {
  StateDirectory maker = make("web");
  StateDirectory other = *StateDirectory::open(root_, "web");
  EXPECT_TRUE(maker.remove());
  maker.unlock();
  EXPECT_EQ(other.lock(0).error().code, ErrorCode::kContainerNotExists);
}

TEST_F(StateDirectoryTest, JournalComesBackAsWritten) {
  StateDirectory directory = make("web");
  EXPECT_EQ(*directory.read_journal(), Journal());
  const Journal journal = {{{"", "/sys/fs/cgroup/web"}, {"cpu", "/sys/fs/cgroup/cpu/a b/web"}},
                           {"/sys/fs/resctrl/web", "/sys/fs/resctrl/web/mon_groups/web"}};
  ASSERT_TRUE(directory.write_journal(journal));
  EXPECT_EQ(*directory.read_journal(), journal);
}

TEST_F(StateDirectoryTest, StateIsSeenWhenItIsCommittedAndTheJournalIsGoneThen) {
  StateDirectory directory = make("web");
  ASSERT_TRUE(directory.write_journal({{{"cpu", "/x"}}, {}}));
  ASSERT_TRUE(directory.prepare_state("{\"id\":\"web\"}"));
  EXPECT_EQ(directory.read_state().error().code, ErrorCode::kContainerNotExists);
  EXPECT_TRUE(exists("web/journal"));
  ASSERT_TRUE(directory.commit_state());
  EXPECT_EQ(*directory.read_state(), "{\"id\":\"web\"}");
  EXPECT_FALSE(exists("web/journal"));
}

TEST_F(StateDirectoryTest, FifoIsThereUntilItIsRemoved) {
  StateDirectory directory = make("web");
  EXPECT_FALSE(directory.has_fifo());
  EXPECT_FALSE(*directory.open_fifo());
  {
    Result<sys::FileDescriptor> both = directory.make_fifo();
    ASSERT_TRUE(both);
    EXPECT_TRUE(directory.has_fifo());
    ASSERT_EQ(::write(both->get(), "0", 1), 1);
    Result<sys::FileDescriptor> reader = directory.open_fifo();
    ASSERT_TRUE(reader && *reader);
    char byte = 0;
    EXPECT_EQ(::read(reader->get(), &byte, 1), 1);
    EXPECT_EQ(byte, '0');
  }
  EXPECT_TRUE(directory.remove_fifo());
  EXPECT_FALSE(directory.has_fifo());
}

TEST_F(StateDirectoryTest, RecordOfDevicesIsKeptUntilTheNamespaceIsReleased) {
  StateDirectory directory = make("web");
  EXPECT_FALSE(*directory.read_devices());
  EXPECT_FALSE(*directory.open_namespace());
  EXPECT_TRUE(directory.release_namespace());
  ASSERT_TRUE(directory.write_devices("[1]"));
  ASSERT_TRUE(directory.write_devices("[]"));
  EXPECT_EQ(**directory.read_devices(), "[]");
  EXPECT_FALSE(exists("web/.netns.json.tmp"));
  // What a bind that was killed half-way leaves.
  ASSERT_EQ(::close(::open((root_ + "/web/netns").c_str(), O_CREAT | O_WRONLY, 0600)), 0);
  EXPECT_FALSE(*directory.open_namespace());
  EXPECT_TRUE(directory.release_namespace());
  EXPECT_FALSE(exists("web/netns"));
  EXPECT_FALSE(*directory.read_devices());
}

TEST_F(StateDirectoryTest, IsRemovedWithWhateverIsInIt) {
  StateDirectory directory = make("web");
  ASSERT_TRUE(directory.write_journal({}));
  ASSERT_EQ(::mkdir((root_ + "/web/more").c_str(), 0700), 0);
  ASSERT_TRUE(sys::write_file((root_ + "/web/more/file").c_str(), "") ||
              ::close(::open((root_ + "/web/more/file").c_str(), O_CREAT | O_WRONLY, 0600)) == 0);
  EXPECT_TRUE(directory.remove());
  EXPECT_FALSE(exists("web"));
}

TEST_F(StateDirectoryTest, ListsIdsInOrderAndNothingElse) {
  EXPECT_EQ(list_ids(root_)->size(), 0U);
  make("b");
  make("a");
  ASSERT_EQ(::mkdir((root_ + "/not an id").c_str(), 0700), 0);
  EXPECT_EQ(*list_ids(root_), (std::vector<std::string>{"a", "b"}));
}

TEST_F(StateDirectoryTest, OwnerIsANameOrANumber) {
  StateDirectory directory = make("web");
  if (::geteuid() == 0) {
    EXPECT_EQ(directory.owner(), "root");
    ASSERT_EQ(::chown((root_ + "/web").c_str(), 4'000'000, 0), 0);
    EXPECT_EQ(directory.owner(), "4000000");
  } else {
    EXPECT_FALSE(directory.owner().empty());
  }
}

}  // namespace
}  // namespace cella::container
