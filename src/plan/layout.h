// The Plan: what init does, step by step, as one flat block of plain data.
//
//   Header | Step[step_count] | pool: NUL-terminated strings, lists of them, blobs
//
// Position-independent: arguments refer to the pool by offset, to descriptors by slot. The launcher writes the block to
// a memory file with the slots' descriptors filled in; init maps it and carries it out. Both are the same build, so the
// layout has no versions; init checks that the block is whole before the first step.
//
// This header is all that init/ sees of plan/: plain C++ without a library.
#pragma once

#include <cstdint>

#include "plan/ops.h"

namespace cella::plan {

enum class Op : uint16_t {
#define CELLA_OP_ENUM(identifier, name, arguments, sentence) identifier,
  CELLA_PLAN_OPS(CELLA_OP_ENUM)
#undef CELLA_OP_ENUM
      kCount
};

inline constexpr int kMaxArgs = 6;

struct Step {
  Op op;
  uint16_t unused;
  uint32_t about;           // pool offset of what an error message should name ("mounting proc on /proc"), 0: nothing
  uint64_t args[kMaxArgs];  // numbers as they are; strings: pool offset; lists and blobs: see Range; slots: index
};
static_assert(sizeof(Step) == 56);

// A list (count strings, one after another, each with its NUL) or a blob (count bytes, 8-aligned).
struct Range {
  uint32_t offset;
  uint32_t count;
  static constexpr Range from(uint64_t arg) { return {static_cast<uint32_t>(arg >> 32), static_cast<uint32_t>(arg)}; }
  constexpr uint64_t to_arg() const { return static_cast<uint64_t>(offset) << 32 | count; }
};

// Namespaces, cgroups, bind sources of containers with a user namespace and passed files; a process has by default no
// more than 1024 descriptors.
inline constexpr uint32_t kMaxSlots = 512;
inline constexpr uint32_t kNoSlot = ~0u;
inline constexpr uint32_t kFirstExtraFile = 3;  // the program's descriptors after its standard streams
inline constexpr uint32_t kMagic = 0x616c6c65;

struct Header {
  uint32_t magic;
  uint32_t size;  // of the whole block
  uint32_t step_count;
  uint32_t pool_offset;  // from the start of the block
  uint32_t pool_size;    // the pool's first byte is a NUL, so that offset 0 is ""
  uint32_t slot_count;
  int32_t sync_fd;           // SOCK_SEQPACKET to the launcher
  int32_t lowest_fd;         // descriptors that init gets and keeps must not be below: they are the program's
  int32_t slots[kMaxSlots];  // descriptor numbers; -1: not (yet) there
};

// Where init stops, tells the launcher and waits for its word; descriptors may come with it.
enum class SyncPoint : uint32_t {
  kForked,      // sent only: the pid of the child that continues, and no wait
  kUserMaps,    // a user namespace wants its id maps
  kCgroups,     // received only: the tasks files to join, sent as soon as they are there
  kNamespaces,  // namespaces are there: hooks and network may run; state documents for hooks come back
  kReady,       // everything is set up but what happens after start
};

// Messages on the sync socket.
struct InitMessage {
  enum Kind : uint32_t { kSync, kError } kind;
  SyncPoint point;
  uint32_t step;        // index of the step
  int32_t errno_value;  // kError; 0: `detail` says it all
  int32_t pid;          // kForked
  char detail[256];     // kError: what the step alone knows, NUL-terminated; after start all of the text
};
struct LauncherMessage {
  SyncPoint point;
  uint32_t fd_count;         // as SCM_RIGHTS, in slot order
  uint64_t ignored_signals;  // bit N - 1: the launcher ignores signal N, so init does, and the program must not
};

// Reports. An open program (kExecuteOpen) finds behind its extra files the descriptor that init would have told of an
// error by: the fifo after start, else the sync socket. It writes an InitMessage of kind kError with a step that no
// plan has (kNoStep), or nothing, and closes it: only then does whoever waits take the program for begun.
inline constexpr uint32_t kNoStep = ~0u;

// After start an error goes through the fifo instead: the fill, the "0" that runc's start expects, this record.
inline constexpr uint32_t kFifoFill = 4096;

// Flags of kAttach.
inline constexpr uint64_t kAttachFile = 1;         // the target is a file: create an empty one when missing
inline constexpr uint64_t kAttachAuto = 2;         // file or directory as the tree's own root is
inline constexpr uint64_t kAttachNoSymlink = 4;    // no component of the target may be a symbolic link
inline constexpr uint64_t kAttachKeepMode = 8;     // the tree's root takes the permissions of an existing target
inline constexpr uint64_t kAttachIsProc = 16;      // the mount itself must be a procfs
inline constexpr uint64_t kAttachInProc = 32;      // the target may be inside a procfs
inline constexpr uint64_t kAttachNoFollow = 64;    // the target must be there; if it is a symbolic link, itself
inline constexpr uint64_t kAttachCopyLink = 128;   // a tree that is a symbolic link is not attached: the link is copied
inline constexpr uint64_t kAttachCopyUp = 256;     // what the target has in it is copied into the tree
inline constexpr uint64_t kAttachKeepOwner = 512;  // with that: the tree's root takes owner and times of the target
inline constexpr uint64_t kAttachAsRoot = 1024;    // the target is the root: the tree takes its place
// Bits of kNewMount's flags are MS_* that belong to the superblock.

}  // namespace cella::plan
