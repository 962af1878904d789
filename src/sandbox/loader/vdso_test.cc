#include "sandbox/loader/vdso.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

namespace cella::sandbox::loader {
namespace {

// Reads the image as ld.so does: through its program headers and its dynamic section alone.
class VdsoTest : public testing::Test {
 protected:
  template <typename T>
  T at(uint64_t offset) const {
    T value = {};
    EXPECT_LE(offset + sizeof value, image_.size());
    if (offset + sizeof value <= image_.size()) std::memcpy(&value, image_.data() + offset, sizeof value);
    return value;
  }
  std::string text(uint64_t offset) const { return std::string(image_.data() + offset); }
  Elf64_Ehdr header() const { return at<Elf64_Ehdr>(0); }
  std::vector<Elf64_Phdr> segments(uint32_t type) const {
    std::vector<Elf64_Phdr> found;
    for (unsigned i = 0; i < header().e_phnum; ++i) {
      auto segment = at<Elf64_Phdr>(header().e_phoff + i * sizeof(Elf64_Phdr));
      if (segment.p_type == type) found.push_back(segment);
    }
    return found;
  }
  std::map<int64_t, uint64_t> dynamic() const {
    std::map<int64_t, uint64_t> entries;
    const uint64_t start = segments(PT_DYNAMIC).at(0).p_offset;
    for (uint64_t i = 0;; ++i) {
      auto entry = at<Elf64_Dyn>(start + i * sizeof(Elf64_Dyn));
      if (entry.d_tag == DT_NULL) return entries;
      entries[entry.d_tag] = entry.d_un.d_val;
    }
  }
  std::map<std::string, Elf64_Sym> symbols() const {
    const auto tags = dynamic();
    const auto count = at<uint32_t>(tags.at(DT_HASH) + 4);
    std::map<std::string, Elf64_Sym> found;
    for (uint32_t i = 1; i < count; ++i) {
      auto symbol = at<Elf64_Sym>(tags.at(DT_SYMTAB) + i * sizeof(Elf64_Sym));
      found[text(tags.at(DT_STRTAB) + symbol.st_name)] = symbol;
    }
    return found;
  }

  const std::string_view image_ = vdso_image();
};

TEST_F(VdsoTest, IsOneSegmentAtTheBeginning) {
  EXPECT_EQ(std::memcmp(header().e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(header().e_type, ET_DYN);
  const auto loaded = segments(PT_LOAD);
  ASSERT_EQ(loaded.size(), 1u);
  EXPECT_EQ(loaded[0].p_flags, static_cast<uint32_t>(PF_R | PF_X));
  EXPECT_EQ(loaded[0].p_offset, 0u);
  EXPECT_EQ(loaded[0].p_vaddr, 0u);
  EXPECT_EQ(loaded[0].p_filesz, loaded[0].p_memsz);
  EXPECT_LE(image_.size(), 2 * mm::kPageSize);
}

TEST_F(VdsoTest, NeedsNoRelocation) {
  const auto tags = dynamic();
  for (int64_t tag : {DT_RELA, DT_REL, DT_JMPREL, DT_TEXTREL, DT_NEEDED, DT_INIT})
    EXPECT_FALSE(tags.contains(tag)) << tag;
  EXPECT_TRUE(tags.contains(DT_GNU_HASH));
}

TEST_F(VdsoTest, HasTheSymbolsThatLibrariesLookFor) {
  const auto all = symbols();
  const auto loaded = segments(PT_LOAD).at(0);
  for (const char* name : {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"}) {
    ASSERT_TRUE(all.contains(name)) << name;
    const Elf64_Sym symbol = all.at(name);
    EXPECT_EQ(ELF64_ST_TYPE(symbol.st_info), STT_FUNC) << name;
    EXPECT_EQ(ELF64_ST_BIND(symbol.st_info), STB_GLOBAL) << name;
    EXPECT_NE(symbol.st_shndx, SHN_UNDEF) << name;
    EXPECT_LE(symbol.st_value + symbol.st_size, loaded.p_filesz) << name;
  }
  EXPECT_TRUE(all.contains("clock_gettime"));
  // Nothing is looked for elsewhere, and what is private stays so.
  for (const auto& [name, symbol] : all) EXPECT_NE(symbol.st_shndx, SHN_UNDEF) << name;
  EXPECT_FALSE(all.contains("clock_page"));
}

TEST_F(VdsoTest, HasTheVersionThatLibrariesLookFor) {
  const auto tags = dynamic();
  ASSERT_TRUE(tags.contains(DT_VERDEF) && tags.contains(DT_VERSYM));
  bool found = false;
  uint64_t at_offset = tags.at(DT_VERDEF);
  for (uint64_t i = 0; i < tags.at(DT_VERDEFNUM); ++i) {
    const auto version = at<Elf64_Verdef>(at_offset);
    const auto name = at<Elf64_Verdaux>(at_offset + version.vd_aux);
    found |= text(tags.at(DT_STRTAB) + name.vda_name) == "LINUX_2.6" && version.vd_hash == 61765110;
    at_offset += version.vd_next;
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace cella::sandbox::loader
