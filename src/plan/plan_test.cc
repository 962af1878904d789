// What holds for every plan, whatever the config.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "plan/golden_cases.h"
#include "plan/print.h"

namespace cella::plan {
namespace {

using config::NamespaceType;

struct OpKinds {
  const char* arguments;
};
constexpr OpKinds kKinds[] = {
#define CELLA_OP_KINDS(identifier, name, arguments, sentence) {arguments},
    CELLA_PLAN_OPS(CELLA_OP_KINDS)
#undef CELLA_OP_KINDS
};

// The kinds of a step's arguments, "fs" for "slot:f path:s".
std::string kinds_of(Op op) {
  std::string kinds;
  for (const char* c = kKinds[static_cast<size_t>(op)].arguments; *c != '\0'; ++c)
    if (*c == ':') kinds += c[1];
  return kinds;
}

class EveryPlan : public testing::TestWithParam<GoldenCase> {
 protected:
  void SetUp() override {
    input_ = input_of(GetParam());
    Result<Built> built = input_.build();
    ASSERT_TRUE(built) << built.error().text();
    built_ = std::move(*built);
  }
  const Plan& plan() const { return built_.plan; }
  size_t count(Op op) const {
    return static_cast<size_t>(std::ranges::count_if(plan().steps(), [&](const Step& s) { return s.op == op; }));
  }
  // Index of the first; nullopt when there is none.
  std::optional<size_t> first(Op op, std::function<bool(const Step&)> matches = {}) const {
    for (size_t i = 0; i < plan().steps().size(); ++i)
      if (plan().steps()[i].op == op && (!matches || matches(plan().steps()[i]))) return i;
    return std::nullopt;
  }
  std::optional<size_t> sync(SyncPoint point) const {
    return first(Op::kSync, [&](const Step& s) { return s.args[0] == static_cast<uint64_t>(point); });
  }
  // Wherever both are, `a` comes before `b`.
  void expect_order(Op a, Op b) const {
    auto at = first(a), before = first(b);
    if (at && before) {
      EXPECT_LT(*at, *before) << "steps " << static_cast<int>(a) << " and " << static_cast<int>(b);
    }
  }

  Input input_;
  Built built_;
};

TEST_P(EveryPlan, BlockIsWellFormed) {
  const Header& header = plan().header();
  EXPECT_EQ(header.magic, kMagic);
  EXPECT_EQ(header.size, plan().block.size());
  EXPECT_EQ(header.pool_offset, sizeof(Header) + header.step_count * sizeof(Step));
  EXPECT_EQ(header.pool_offset + header.pool_size, header.size);
  EXPECT_EQ(plan().pool()[0], '\0');
  EXPECT_EQ(plan().pool()[header.pool_size - 1], '\0');
  EXPECT_LE(header.slot_count, kMaxSlots);
  EXPECT_EQ(header.sync_fd, -1);
  EXPECT_TRUE(std::ranges::all_of(header.slots, [](int32_t fd) { return fd == -1; }));
}

TEST_P(EveryPlan, ReferencesStayInside) {
  const Header& header = plan().header();
  auto inside = [&](uint64_t offset, uint64_t size) {
    return offset <= header.pool_size && size <= header.pool_size - offset;
  };
  for (const Step& step : plan().steps()) {
    ASSERT_LT(static_cast<size_t>(step.op), static_cast<size_t>(Op::kCount));
    ASSERT_LT(step.about, header.pool_size);
    std::string kinds = kinds_of(step.op);
    ASSERT_LE(kinds.size(), static_cast<size_t>(kMaxArgs));
    for (size_t i = 0; i < kMaxArgs; ++i) {
      uint64_t value = step.args[i];
      Range range = Range::from(value);
      char kind = i < kinds.size() ? kinds[i] : 0;
      if (kind == 0) {
        EXPECT_EQ(value, 0u);
      }
      if (kind == 's') {
        EXPECT_LT(value, header.pool_size);
      }
      if (kind == 'f' && value != kNoSlot) {
        EXPECT_LT(value, header.slot_count);
      }
      if (kind == 'b' || kind == 'i' || kind == 'g' || kind == 'u') {
        EXPECT_TRUE(inside(range.offset, range.count));
        EXPECT_EQ(range.offset % 8, 0u);
      }
      if (kind != 'l') continue;
      uint64_t offset = range.offset;
      for (uint32_t n = 0; n < range.count; ++n) {
        ASSERT_LT(offset, header.pool_size);
        offset += std::strlen(plan().pool() + offset) + 1;
      }
      EXPECT_TRUE(inside(offset, 0));
    }
  }
}

TEST_P(EveryPlan, RangesOfSlotsAreTheirs) {
  for (const Step& step : plan().steps()) {
    std::string arguments = kKinds[static_cast<size_t>(step.op)].arguments;
    size_t first_at = arguments.find("first:f");
    if (first_at == std::string::npos) continue;
    auto index =
        static_cast<size_t>(std::count(arguments.begin(), arguments.begin() + static_cast<long>(first_at), ' '));
    uint64_t first = step.args[index], n = step.args[index + 1];
    if (n == 0) {
      EXPECT_EQ(first, kNoSlot);
    } else {
      EXPECT_LE(first + n, plan().header().slot_count);
    }
  }
}

TEST_P(EveryPlan, StepsAreInOrder) {
  auto steps = plan().steps();
  ASSERT_FALSE(steps.empty());
  if (input_.process.args.empty()) {  // nothing is executed, so nothing of a program is prepared
    EXPECT_EQ(steps.back().op, Op::kRefuse);
    EXPECT_EQ(steps[steps.size() - 2].op, Op::kWaitForStart);
    EXPECT_EQ(count(Op::kFindProgram) + count(Op::kExecute), 0u);
    return;
  }
  const bool is_open = input_.options.open_program;  // and nothing is looked for
  EXPECT_EQ(steps.back().op, is_open ? Op::kExecuteOpen : Op::kExecute);
  for (Op once : {Op::kClone, Op::kNoDumpable, Op::kCloseDescriptors, Op::kIds, Op::kGroups, Op::kCapabilities,
                  Op::kWorkingDirectory, Op::kFindProgram, Op::kExecute, Op::kNewSession, Op::kUmask}) {
    if (once == Op::kWorkingDirectory && !input_.config.namespaces.is_new(NamespaceType::kMount)) continue;
    if (once == Op::kGroups && input_.config.keep_original_groups) continue;
    if (is_open && (once == Op::kFindProgram || once == Op::kExecute)) once = Op::kExecuteOpen;
    EXPECT_EQ(count(once), 1u) << static_cast<int>(once);
  }
  // The launcher's steps come first, the clone last of them.
  size_t clone = *first(Op::kClone);
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_TRUE(steps[i].op == Op::kLimitInit || steps[i].op == Op::kNetDevice ||
                (steps[i].op < Op::kClone) == (i < clone));
  }
  EXPECT_EQ(steps[clone].args[0], built_.clone_flags);
  EXPECT_EQ(count(Op::kFork), built_.forks ? 1u : 0u);
  EXPECT_EQ(sync(SyncPoint::kUserMaps).has_value(), built_.user_maps);
  EXPECT_EQ(std::ranges::count_if(steps,
                                  [](const Step& s) {
                                    return (s.op == Op::kSync || s.op == Op::kTell) &&
                                           s.args[0] == static_cast<uint64_t>(SyncPoint::kReady);
                                  }),
            1);
  // Whoever goes on without an answer has had the launcher's word before.
  EXPECT_EQ(sync(SyncPoint::kReady).has_value(), built_.ready_waits);
  EXPECT_TRUE(built_.ready_waits || first(Op::kReceive));

  size_t ready = *(built_.ready_waits ? sync(SyncPoint::kReady) : first(Op::kTell)),
         close = *first(Op::kCloseDescriptors), ids = *first(Op::kIds);
  if (!is_open) {
    EXPECT_LT(*first(Op::kFindProgram), ready) << "a missing program is an error of create";
  }
  EXPECT_LT(ready, close);
  expect_order(Op::kNewSession, Op::kConsole);
  expect_order(Op::kLabel, Op::kCloseDescriptors);  // needs the private procfs
  EXPECT_LT(close, *first(Op::kWorkingDirectory, [&](const Step& s) {
              return plan().string(s.args[0]) == with_defaults(input_.process, input_.config).cwd;
            }));
  EXPECT_EQ(count(Op::kGroups), input_.config.keep_original_groups ? 0u : 1u);
  expect_order(Op::kGroups, Op::kIds);  // setgroups(2) needs a capability
  EXPECT_LT(*first(Op::kBoundingSet), ids);
  EXPECT_LT(ids, *first(Op::kCapabilities)) << "a change of ids changes the sets";
  expect_order(Op::kCapabilities, Op::kAmbientSet);
  expect_order(Op::kIds, Op::kParentDeathSignal);
  expect_order(Op::kPlaceDescriptors, Op::kSeccomp);
  expect_order(Op::kNoNewPrivileges, Op::kSeccomp);
  if (auto wait = first(Op::kWaitForStart)) {
    EXPECT_EQ(*wait, ready + 1);
  }
}

TEST_P(EveryPlan, ProtectionComesAfterTheRootIsEntered) {
  size_t entered = 0;
  for (Op op : {Op::kPivot, Op::kMoveRoot, Op::kChroot})
    if (auto at = first(op)) entered = std::max(entered, *at);
  for (Op op : {Op::kMaskPath, Op::kReadonlyPath, Op::kRootAttributes, Op::kRemountAttributes})
    if (auto at = first(op)) {
      EXPECT_GT(*at, entered);
    }
  if (!input_.options.init) return;
  EXPECT_GT(entered, 0u);
  for (Op op : {Op::kAttach, Op::kMakeNode, Op::kBindDevice, Op::kCloneTree})
    if (auto at = first(op)) {
      EXPECT_LT(*at, entered);
    }
  if (auto at = first(Op::kSysctl)) {
    EXPECT_LT(*at, entered) << "the image could have a /proc";
  }
  expect_order(Op::kConsole, Op::kRemountAttributes);
  expect_order(Op::kConsole, Op::kRootAttributes);
  expect_order(Op::kReadonlyPath, Op::kMaskPath);
}

// CVE-2016-9962: undumpable before the first namespace of others; only an ordinary user's own id maps come before.
TEST_P(EveryPlan, NothingInTheContainerMayLookAtInit) {
  size_t hidden = *first(Op::kNoDumpable);
  bool own_maps = built_.user_maps && !input_.facts.privileged;
  if (auto joined = first(Op::kSetns)) {
    if (!own_maps) {
      EXPECT_LT(hidden, *joined);
    }
  }
  if (own_maps) {
    EXPECT_LT(*sync(SyncPoint::kUserMaps), hidden);
  }
  for (Op op : {Op::kUnshare, Op::kHook, Op::kAttach, Op::kPivot, Op::kChroot})
    if (auto at = first(op)) {
      EXPECT_LT(hidden, *at);
    }
}

// Not even below a shared root: pivot_root(2) would refuse it, and the mounts would be the host's.
TEST_P(EveryPlan, NothingIsMountedSharedWithTheHost) {
  for (const Step& step : plan().steps())
    if (step.op == Op::kPropagation) {
      EXPECT_TRUE(step.args[0] == (MS_SLAVE | MS_REC) || step.args[0] == (MS_PRIVATE | MS_REC));
    }
}

TEST_P(EveryPlan, IsPure) {
  Result<Built> again = input_.build();
  ASSERT_TRUE(again);
  EXPECT_EQ(plan().block, again->plan.block);
}

TEST_P(EveryPlan, PrintsEveryPlaceholder) {
  std::string text = to_text(plan());
  EXPECT_EQ(text.find_first_of("[]"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), static_cast<long>(plan().steps().size()));
}

INSTANTIATE_TEST_SUITE_P(Plans, EveryPlan, testing::ValuesIn(all_cases()),
                         [](const testing::TestParamInfo<GoldenCase>& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace cella::plan
