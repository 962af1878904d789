// proc_cpuinfo(5), from the CPUID instruction: what programs could ask the processor themselves. The kernel's jail has
// no /proc to copy from.
#include <cpuid.h>

#include <array>
#include <cstring>

#include "base/result.h"
#include "sandbox/fs/proc/system_text.h"

namespace cella::sandbox::fs {
namespace {

enum Register : size_t { kEax, kEbx, kEcx, kEdx };
struct Leaf {
  std::array<unsigned, 4> registers = {};
  unsigned operator[](size_t i) const { return registers[i]; }
};
Leaf leaf(unsigned number, unsigned sub = 0) {
  Leaf result;
  auto& r = result.registers;
  if (__get_cpuid_max(number & 0x80000000, nullptr) >= number)
    __cpuid_count(number, sub, r[kEax], r[kEbx], r[kEcx], r[kEdx]);
  return result;
}

// The names of a register's bits, as Linux has them.
struct Flags {
  unsigned leaf, sub;
  Register where;
  std::array<const char*, 32> names;
};
constexpr Flags kFlags[] = {
    {1, 0, kEdx, {"fpu",  "vme",  "de",   "pse", "tsc",  "msr", "pae",   "mce", "cx8",     "apic", "",
                  "sep",  "mtrr", "pge",  "mca", "cmov", "pat", "pse36", "pn",  "clflush", "",     "dts",
                  "acpi", "mmx",  "fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",    "pbe"}},
    {0x80000001, 0, kEdx, {"",        "", "", "",         "",        "",       "", "",   "",         "",     "",
                           "syscall", "", "", "",         "",        "",       "", "",   "mp",       "nx",   "",
                           "mmxext",  "", "", "fxsr_opt", "pdpe1gb", "rdtscp", "", "lm", "3dnowext", "3dnow"}},
    {1, 0, kEcx, {"pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
                  "vmx",    "smx",       "est",    "tm2",     "ssse3",
                  "cid",    "sdbg",      "fma",    "cx16",    "xtpr",
                  "pdcm",   "",          "pcid",   "dca",     "sse4_1",
                  "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
                  "aes",    "xsave",     "",       "avx",     "f16c",
                  "rdrand", "hypervisor"}},
    {0x80000001,
     0,
     kEcx,
     {"lahf_lm",
      "cmp_legacy",
      "svm",
      "extapic",
      "cr8_legacy",
      "abm",
      "sse4a",
      "misalignsse",
      "3dnowprefetch",
      "osvw",
      "ibs",
      "xop",
      "skinit",
      "wdt",
      "",
      "lwp",
      "fma4",
      "tce",
      "",
      "nodeid_msr",
      "",
      "tbm",
      "topoext",
      "perfctr_core",
      "perfctr_nb",
      "",
      "bpext",
      "ptsc",
      "perfctr_llc",
      "mwaitx",
      "",
      ""}},
    {7, 0, kEbx, {"fsgsbase", "tsc_adjust", "sgx",      "bmi1",     "hle",      "avx2",       "",         "smep",
                  "bmi2",     "erms",       "invpcid",  "rtm",      "cqm",      "",           "mpx",      "rdt_a",
                  "avx512f",  "avx512dq",   "rdseed",   "adx",      "smap",     "avx512ifma", "",         "clflushopt",
                  "clwb",     "intel_pt",   "avx512pf", "avx512er", "avx512cd", "sha_ni",     "avx512bw", "avx512vl"}},
    {0xd, 1, kEax, {"xsaveopt", "xsavec", "xgetbv1", "xsaves"}},
    {7, 1, kEax, {"", "", "", "", "avx_vnni", "avx512_bf16"}},
    {7,
     0,
     kEcx,
     {"",
      "avx512vbmi",
      "umip",
      "pku",
      "ospke",
      "waitpkg",
      "avx512_vbmi2",
      "",
      "gfni",
      "vaes",
      "vpclmulqdq",
      "avx512_vnni",
      "avx512_bitalg",
      "tme",
      "avx512_vpopcntdq",
      "",
      "la57",
      "",
      "",
      "",
      "",
      "",
      "rdpid",
      "",
      "bus_lock_detect",
      "cldemote",
      "",
      "movdiri",
      "movdir64b",
      "enqcmd",
      "",
      ""}},
    {7,
     0,
     kEdx,
     {"",
      "",
      "avx512_4vnniw",
      "avx512_4fmaps",
      "fsrm",
      "",
      "",
      "",
      "avx512_vp2intersect",
      "",
      "md_clear",
      "",
      "",
      "",
      "serialize",
      "",
      "tsxldtrk",
      "",
      "pconfig",
      "arch_lbr",
      "",
      "",
      "amx_bf16",
      "avx512_fp16",
      "amx_tile",
      "amx_int8"}},
};

std::string vendor() {
  const Leaf zero = leaf(0);
  char name[12];
  std::memcpy(name, &zero.registers[kEbx], 4);
  std::memcpy(name + 4, &zero.registers[kEdx], 4);
  std::memcpy(name + 8, &zero.registers[kEcx], 4);
  return {name, sizeof name};
}

std::string brand() {
  std::string name;
  for (unsigned number = 0x80000002; number <= 0x80000004; ++number) {
    const Leaf part = leaf(number);
    name.append(reinterpret_cast<const char*>(part.registers.data()), sizeof part.registers);
  }
  name.resize(std::strlen(name.c_str()));
  const size_t start = name.find_first_not_of(' ');
  return start == std::string::npos ? "unknown" : name.substr(start, name.find_last_not_of(' ') - start + 1);
}

std::string flag_names() {
  std::string text;
  for (const Flags& flags : kFlags) {
    const unsigned bits = leaf(flags.leaf, flags.sub)[flags.where];
    for (size_t bit = 0; bit < flags.names.size(); ++bit) {
      const char* name = flags.names[bit];
      if ((bits >> bit & 1) == 0 || name == nullptr || *name == '\0') continue;
      text += text.empty() ? "" : " ";
      text += name;
    }
  }
  return text;
}

}  // namespace

std::string cpu_information(int count) {
  const Leaf zero = leaf(0), one = leaf(1);
  const unsigned signature = one[kEax];
  unsigned family = signature >> 8 & 0xf, model = signature >> 4 & 0xf;
  if (family == 6 || family == 15) model |= signature >> 12 & 0xf0;
  if (family == 15) family += signature >> 20 & 0xff;
  const unsigned address_bits = leaf(0x80000008)[kEax];
  const unsigned mhz = leaf(0x16)[kEax] & 0xffff;
  const std::string flags = flag_names();
  std::string text;
  for (int cpu = 0; cpu < count; ++cpu) {
    text += fmt::format("processor\t: {}\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: {}\n", cpu,
                        vendor(), family, model, brand());
    text += fmt::format("stepping\t: {}\ncpu MHz\t\t: {}.000\n", signature & 0xf, mhz);
    text += fmt::format(
        "physical id\t: 0\nsiblings\t: {}\ncore id\t\t: {}\ncpu cores\t: {}\napicid\t\t: {}\ninitial apicid\t: {}\n",
        count, cpu, count, cpu, cpu);
    text +=
        fmt::format("fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: {}\nwp\t\t: yes\nflags\t\t: {}\nbugs\t\t:\n",
                    zero[kEax], flags);
    text += fmt::format(
        "bogomips\t: {}.00\nclflush size\t: {}\ncache_alignment\t: 64\naddress sizes\t: {} bits physical, {} bits "
        "virtual\npower management:\n\n",
        mhz * 2, (one[kEbx] >> 8 & 0xff) * 8, address_bits & 0xff, address_bits >> 8 & 0xff);
  }
  return text;
}

}  // namespace cella::sandbox::fs
