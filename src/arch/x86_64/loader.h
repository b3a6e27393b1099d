// The dynamic loader of programs that are made for this architecture.
#pragma once

namespace warren::arch {

// As programs that use glibc name it (PT_INTERP): fixed by the psABI.
inline constexpr const char* kLoader = "/lib64/ld-linux-x86-64.so.2";

}  // namespace warren::arch
