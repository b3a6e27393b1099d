// timeout: 60
// A program that makes so many calls about paths that warren brings it an agent, in the midst of
// one of them: registers, text, descriptors and results are what they would be without; where there
// is room for an agent, and where there is none.
#include <sys/mman.h>

#include "harness.h"
#include "sites.h"

extern "C" const char etext;

static unsigned long checksum_of_text() {
  unsigned long sum = 0;
  const auto* const end = reinterpret_cast<const unsigned char*>(&etext);
  const auto* const begin = reinterpret_cast<const unsigned char*>(
      reinterpret_cast<unsigned long>(&checksum_of_text) & ~4095ul);
  for (const unsigned char* p = begin; p < end; p++) sum = sum * 31 + *p;
  return sum;
}

// access(2), with every register that the call leaves alone, and the red zone, full of marks. What
// differs after it; 0: nothing.
static long call_with_marks(const char* path, long* result) {
  long wrong = 0;
  asm volatile(
      "push %%rbx\n push %%rbp\n"
      "sub $256, %%rsp\n"
      "mov %[path], %%rdi\n"
      "mov $4, %%esi\n"
      "mov $0x1002, %%rdx\n mov $0x1003, %%r10\n mov $0x1004, %%r8\n mov $0x1005, %%r9\n"
      "mov $0x1006, %%rbx\n mov $0x1007, %%rbp\n mov $0x1008, %%r12\n mov $0x1009, %%r13\n"
      "mov $0x100a, %%r14\n mov %%rsp, %%r15\n"
      "movq %%rdx, %%xmm0\n movq %%r10, %%xmm7\n movq %%r8, %%xmm15\n"
      "movq $0x2001, -8(%%rsp)\n movq $0x2002, -64(%%rsp)\n movq $0x2003, -128(%%rsp)\n"
      "mov $21, %%eax\n syscall\n"
      "cmp $4, %%rsi\n jne 1f\n"
      "cmp $0x1002, %%rdx\n jne 1f\n cmp $0x1003, %%r10\n jne 1f\n cmp $0x1004, %%r8\n jne 1f\n"
      "cmp $0x1005, %%r9\n jne 1f\n cmp $0x1006, %%rbx\n jne 1f\n cmp $0x1007, %%rbp\n jne 1f\n"
      "cmp $0x1008, %%r12\n jne 1f\n cmp $0x1009, %%r13\n jne 1f\n cmp $0x100a, %%r14\n jne 1f\n"
      "cmp %%rsp, %%r15\n jne 1f\n"
      "cmpq $0x2001, -8(%%rsp)\n jne 1f\n cmpq $0x2002, -64(%%rsp)\n jne 1f\n"
      "cmpq $0x2003, -128(%%rsp)\n jne 1f\n"
      "movq %%xmm0, %%rcx\n cmp $0x1002, %%rcx\n jne 1f\n"
      "movq %%xmm7, %%rcx\n cmp $0x1003, %%rcx\n jne 1f\n"
      "movq %%xmm15, %%rcx\n cmp $0x1004, %%rcx\n jne 1f\n"
      "xor %%edx, %%edx\n jmp 2f\n"
      "1: mov $1, %%edx\n"
      "2: add $256, %%rsp\n"
      "pop %%rbp\n pop %%rbx\n"
      : "=a"(*result), "=d"(wrong)
      : [path] "D"(path)
      : "rcx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm7", "xmm15",
        "memory", "cc");
  return wrong;
}

static void registers() {
  for (int i = 0; i < 40; i++) {
    const bool there = i % 2 == 0;
    long result = 1;
    const long wrong = call_with_marks(there ? "/etc/passwd" : "/etc/nothing-there", &result);
    if (wrong != 0 || result != (there ? 0 : -ENOENT)) {
      say("call %d: %ld, registers %ld", i, result, wrong);
    }
  }
  say("40 calls");
}

// Calls by libc, by a site of our own, and the number of the next descriptor.
static void use(const char* what) {
  int wrong = 0;
  for (int i = 0; i < 40; i++) {
    if (access("/etc/passwd", F_OK) != 0) wrong++;
    if (site<0, SYS_access>(arg("/etc/nothing-there"), F_OK) != -ENOENT) wrong++;
    const int fd = open("/etc/passwd", O_RDONLY);
    if (fd != 3) say("descriptor %d", fd);
    close(fd);
  }
  say("%s: %d wrong", what, wrong);
  in_child("a child", [] { return access("/etc/passwd", F_OK); });
}

static void limited(int what) {
  const unsigned long before = checksum_of_text();
  const rlimit none = {0, 0};
  MUST(setrlimit(static_cast<__rlimit_resource>(what), &none));
  use("limited");
  say("text %s", checksum_of_text() == before ? "is the same" : "differs");
}

static volatile sig_atomic_t ticks;

static void with_handler() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    const int saved = errno;
    ticks = ticks + 1;
    if (access("/etc/passwd", F_OK) != 0) ticks = -1000000;
    errno = saved;
  };
  action.sa_flags = SA_RESTART;
  MUST(sigaction(SIGALRM, &action, nullptr));
  const itimerval often = {{0, 200}, {0, 200}};
  MUST(setitimer(ITIMER_REAL, &often, nullptr));
  while (ticks >= 0 && ticks < 20)
    if (access("/etc/passwd", F_OK) != 0) say("access: %s", errno_name(errno));
  const itimerval never = {};
  MUST(setitimer(ITIMER_REAL, &never, nullptr));
  say("handler %s", ticks >= 20 ? "ran" : "failed");
}

// A call at the very end of a mapping, of that kind: nothing can be written behind it.
static void at_the_end_of(int flags) {
  const unsigned char code[] = {0xb8, SYS_access, 0, 0, 0, 0x0f, 0x05, 0xc3};
  int fd = -1;
  if ((flags & MAP_ANONYMOUS) == 0) {
    fd = MUST(memfd_create("code", 0));
    MUST(ftruncate(fd, 4096));
  }
  void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, flags, fd, 0);
  MUST(reinterpret_cast<long>(page));
  char* const begin = static_cast<char*>(page) + 4096 - sizeof code;
  memcpy(begin, code, sizeof code);
  MUST(mprotect(page, 4096, PROT_READ | PROT_EXEC));
  if (fd >= 0) close(fd);
  const auto call = reinterpret_cast<long (*)(const char*, int)>(begin);
  int wrong = 0;
  for (int i = 0; i < 40; i++) {
    if (call("/etc/passwd", F_OK) != 0) wrong++;
    if (call("/etc/nothing-there", F_OK) != -ENOENT) wrong++;
  }
  say("%d wrong", wrong);
}

// Where an agent would be; not so if it came before main().
static void in_the_way() {
  bool ours[2];
  char* pages[2] = {reinterpret_cast<char*>(0x50f0000ul), reinterpret_cast<char*>(0x50f9000ul)};
  for (int i = 0; i < 2; i++) {
    ours[i] = mmap(pages[i], 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == pages[i];
    if (ours[i]) memset(pages[i], 'x', 4096);
  }
  use("in the way");
  for (int i = 0; i < 2; i++) {
    if (ours[i] && (pages[i][0] != 'x' || pages[i][4095] != 'x')) say("page %d was changed", i);
  }
}

int main(int argc, char** argv) {
  if (argc > 1) {
    switch (argv[1][0]) {
      case 'r':
        registers();
        break;
      case 'u':
        use("as it is");
        break;
      case 'a':
        limited(RLIMIT_AS);
        break;
      case 'd':
        limited(RLIMIT_DATA);
        break;
      case 'h':
        with_handler();
        break;
      case 'e':
        at_the_end_of(MAP_PRIVATE | MAP_ANONYMOUS);
        break;
      case 's':
        at_the_end_of(MAP_SHARED);
        break;
      case 'w':
        in_the_way();
        break;
    }
    return 0;
  }
  for (const char* mode :
       {"registers", "use", "address space", "data", "handler", "end", "shared", "way"}) {
    say("== %s", mode);
    in_child("program", [&] {
      execl(argv[0], argv[0], mode, nullptr);
      return 97;
    });
  }
}
