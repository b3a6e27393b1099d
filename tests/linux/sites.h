// System-call instructions of a program's own, as compilers and libcs write them: the number is
// loaded right before. Each index is another instruction, so that a program can have fresh ones.
#pragma once

template <int kIndex, int kNr>
[[gnu::noinline]] long site(long a = 0, long b = 0, long c = 0, long d = 0) {
  long result;
  register long fourth asm("r10") = d;
  asm volatile("mov %1, %%eax\n\tsyscall\n\t# %c6"
               : "=&a"(result)
               : "i"(kNr), "D"(a), "S"(b), "d"(c), "r"(fourth), "i"(kIndex)
               : "rcx", "r11", "memory");
  return result;
}
