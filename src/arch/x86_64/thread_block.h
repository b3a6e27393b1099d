// Where C libraries and Go keep the number of a thread: offsets from the thread pointer, which on
// x86-64 points to the block itself. Private to them, but unchanged for many years; whoever uses
// these looks first whether the block is what it seems.
#pragma once

#include <cstdint>

namespace warren::arch {

// Every libc's block begins with a pointer to itself, for x86-64's ABI says so.
// glibc (nptl/descr.h): again a pointer to itself, and behind that a small number.
inline constexpr std::uint64_t kGlibcSelf = 16;
inline constexpr std::uint64_t kGlibcTid = 720;
// musl (src/internal/pthread_impl.h): the neighbours in the list of threads.
inline constexpr std::uint64_t kMuslNext = 24;
inline constexpr std::uint64_t kMuslTid = 48;
// musl's list of mutexes that know their owner (a robust_list_head), of which the kernel is told
// only when one of them is shared; and from a link of it to the word with the owner.
inline constexpr std::uint64_t kMuslMutexes = 136;
inline constexpr std::int64_t kMuslMutexWord = -28;
// What a told address of the number is never farther away than.
inline constexpr std::uint64_t kThreadBlockSize = 4096;

// Go (runtime/runtime2.go): the current goroutine stands before the thread pointer, its machine in
// it; the machine begins with its first goroutine, and its number stands before that of signals.
inline constexpr std::uint64_t kGoBeforePointer = 8;
inline constexpr std::uint64_t kGoMachine = 48;
inline constexpr std::uint64_t kGoMachineHead = 160;  // bytes among which the number is

}  // namespace warren::arch
