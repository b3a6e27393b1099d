// /proc/self and /proc/thread-self as links and as ways.
#include <pthread.h>

#include "harness.h"

static std::string link(const char* path) {
  char buffer[200] = {};
  if (readlink(path, buffer, sizeof buffer - 1) < 0) return errno_name(errno);
  return buffer;
}

static void all(const char* who) {
  say("%s: self %s thread-self %s", who, link("/proc/self").c_str(),
      link("/proc/thread-self").c_str());
  say("%s: Pid %s %s", who, status_field("/proc/self/status", "Pid").c_str(),
      status_field("/proc/thread-self/status", "Pid").c_str());
  say("%s: stat %s %s", who, stat_field("/proc/self/stat", 1).c_str(),
      stat_field("/proc/thread-self/stat", 1).c_str());
}

int main() {
  all("init");
  in_child("child", [] {
    all("child");
    pthread_t t;
    pthread_create(
        &t, nullptr,
        [](void*) -> void* {
          all("thread");
          return nullptr;
        },
        nullptr);
    pthread_join(t, nullptr);
  });
  struct stat st;
  SHOW(lstat("/proc/self", &st));
  say("link %d", S_ISLNK(st.st_mode));
  SHOW(stat("/proc/self", &st));
  say("directory %d links %d", S_ISDIR(st.st_mode), st.st_nlink > 1);
  SHOW(raw(SYS_readlink, arg("/proc/self"), 0, 0));
  char small[2];
  in_child("short buffer", [&] {
    for (int i = 0; i < 10; i++) {
      pid_t pid = spawn([] {});
      waitpid(pid, nullptr, 0);
    }
    in_child("two digits", [&] {
      SHOW(readlink("/proc/self", small, 1));
      say("%.1s", small);
    });
  });
  SHOW(readlinkat(AT_FDCWD, "/proc/self", small, 2));
  int proc = MUST(open("/proc", O_PATH));
  SHOW(readlinkat(proc, "self", small, 2));
  SHOW(open("/proc/self", O_RDONLY | O_NOFOLLOW));
  SHOW(open("/proc/self", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
  int self = open("/proc/self", O_PATH | O_NOFOLLOW);
  SHOW(readlinkat(self, "", small, 2));
  SHOW(open("/proc/self/", O_RDONLY | O_DIRECTORY) >= 0);

  // An open /proc/self is that of who opened it.
  int dir = MUST(open("/proc/self", O_RDONLY | O_DIRECTORY));
  in_child("an inherited directory", [&] {
    int fd = MUST(openat(dir, "status", O_RDONLY));
    char text[200] = {};
    MUST(read(fd, text, sizeof text - 1));
    say("%s", strstr(text, "Name") ? "read" : "?");
    close(fd);
    say("Tgid %s",
        status_field("/proc/self/fd/" + std::to_string(dir) + "/status", "Tgid").c_str());
  });
  // A symbolic link to it follows who looks.
  char path[] = "/tmp/warren-self-XXXXXX";
  MUST(mkdtemp(path) ? 0 : -1);
  std::string name = std::string(path) + "/me";
  SHOW(symlink("/proc/self", name.c_str()));
  say("through a link: %s", status_field(name + "/status", "Pid").c_str());
  in_child("through a link", [&] { say("Pid %s", status_field(name + "/status", "Pid").c_str()); });
  unlink(name.c_str());
  SHOW(symlink("/proc/2/stat", name.c_str()));
  in_child("a link to a number",
           [&] { say("%s", stat_field(name, 1).substr(0, 1).empty() ? "?" : "read"); });
  unlink(name.c_str());
  rmdir(path);
}
