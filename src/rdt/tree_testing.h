// A directory tree with the files of a resctrl filesystem, for tests on machines without one: two L3 caches of 11 ways,
// MB in steps of 10 percent.
//
// What the kernel would do besides: fill a new directory with the files of a group, at once (here: become_group()),
// and let one go although its files are still there (here: empty()); check and round what is written to `schemata`, and
// show it in its own form; move the task whose pid is written to `tasks`, and list the ids of all; give a monitoring
// group an RMID, a group a CLOSID, of which there are `num_closids`.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "rdt/filesystem.h"
#include "sys/file.h"

namespace cella::rdt {

class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cella-resctrl-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    fs_.root = name;
    become_group("");
    directory("/info");
    file("/info/last_cmd_status", "ok\n");
    directory("/info/L3");
    file("/info/L3/cbm_mask", "7ff\n");
    file("/info/L3/min_cbm_bits", "1\n");
    file("/info/L3/num_closids", "16\n");
    directory("/info/MB");
    file("/info/MB/bandwidth_gran", "10\n");
    file("/info/MB/delay_linear", "1\n");
    file("/info/MB/min_bandwidth", "10\n");
    file("/info/MB/num_closids", "8\n");
    directory("/info/L3_MON");
    file("/info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
  }
  void TearDown() override { (void)sys::remove_tree_at(sys::kCurrentDirectory, fs_.root.c_str()); }

  std::string at(std::string_view path) const { return fs_.root + std::string(path); }
  void directory(const std::string& path) {
    EXPECT_TRUE(::mkdir(at(path).c_str(), 0755) == 0 || errno == EEXIST) << at(path);
  }
  void file(const std::string& path, std::string_view content) {
    auto fd = sys::open(at(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_TRUE(fd) << at(path);
    EXPECT_TRUE(sys::write_all(fd->get(), content));
  }
  std::string content(const std::string& path) const {
    auto text = sys::read_file(at(path).c_str());
    return text ? *text : "(none)";
  }
  bool exists(const std::string& path) const { return ::access(at(path).c_str(), F_OK) == 0; }

  void become_group(const std::string& path, std::string_view schemata = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n") {
    directory(path);
    file(path + "/schemata", schemata);
    file(path + "/tasks", "");
    directory(path + "/mon_groups");
    become_monitor(path);
  }
  void become_monitor(const std::string& path) {
    directory(path);
    file(path + "/tasks", "");
    directory(path + "/mon_data");
    for (const char* cache : {"/mon_data/mon_L3_00", "/mon_data/mon_L3_01"}) {
      directory(path + cache);
      file(path + cache + "/llc_occupancy", "4096\n");
      file(path + cache + "/mbm_total_bytes", "1000\n");
      file(path + cache + "/mbm_local_bytes", "Unavailable\n");
    }
  }
  // Nothing left in the directory that would keep rmdir(2) from removing it.
  void empty(const std::string& path) {
    EXPECT_TRUE(sys::remove_tree_at(sys::kCurrentDirectory, at(path).c_str()));
    directory(path);
  }

  Filesystem fs_;
};

}  // namespace cella::rdt
