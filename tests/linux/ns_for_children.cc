// oracle: privileged
// /proc/PID/ns/pid and pid_for_children, compared by their inode, before and after unshare.
#include "harness.h"

static std::string link(const std::string& path) {
  char buffer[100] = {};
  if (readlink(path.c_str(), buffer, sizeof buffer - 1) < 0) return errno_name(errno);
  return buffer;
}

static bool same(const std::string& a, const std::string& b) {
  struct stat x, y;
  return stat(a.c_str(), &x) == 0 && stat(b.c_str(), &y) == 0 && x.st_ino == y.st_ino &&
         x.st_dev == y.st_dev;
}

int main() {
  below_init([] {
    say("form %d", link("/proc/self/ns/pid").rfind("pid:[", 0) == 0);
    say("link is the inode: %d", [] {
      struct stat st;
      stat("/proc/self/ns/pid", &st);
      return link("/proc/self/ns/pid") == "pid:[" + std::to_string(st.st_ino) + "]";
    }());
    say("same as init's: %d", link("/proc/self/ns/pid") == link("/proc/1/ns/pid"));
    say("same file: %d", same("/proc/self/ns/pid", "/proc/1/ns/pid"));
    say("for children the same: %d",
        link("/proc/self/ns/pid") == link("/proc/self/ns/pid_for_children"));
    SHOW(unshare(CLONE_NEWPID));
    say("own unchanged: %d", link("/proc/self/ns/pid") == link("/proc/1/ns/pid"));
    // No init there yet: the name leads nowhere.
    say("for children: %s", link("/proc/self/ns/pid_for_children").substr(0, 5).c_str());
    Gate go;
    pid_t child = spawn([&] { go.close_writer(), go.pass(); });
    std::string path = "/proc/" + std::to_string(child) + "/ns/pid";
    say("child's differs: %d", link(path) != link("/proc/self/ns/pid"));
    say("for children is the child's: %d", link("/proc/self/ns/pid_for_children") == link(path));
    say("child's for children: %d", link(path + "_for_children") == link(path));
    int fd = MUST(open(path.c_str(), O_RDONLY));
    struct stat st, st2;
    fstat(fd, &st);
    stat(path.c_str(), &st2);
    say("by descriptor the same: %d", st.st_ino == st2.st_ino);
    say("descriptor's link: %d", link("/proc/self/fd/" + std::to_string(fd)) == link(path));
    go.open();
    say("%s", reap(child).c_str());
    say("gone: %s", link(path).c_str());
  });
}
