// /proc/PID/fd and fdinfo of oneself and of a child: listing, links, opening through them.
#include <dirent.h>

#include "harness.h"

int main() {
  below_init([] {
    for (int fd = 3; fd < 64; fd++) close(fd);
    int pair[2];
    MUST(pipe(pair));
    int null = MUST(open("/dev/null", O_RDWR));
    Gate ready, go;
    pid_t child = spawn([&] {
      go.close_writer();
      ready.open();
      go.pass();
    });
    ready.pass();
    for (int pid : {getpid(), child}) {
      std::string base = "/proc/" + std::to_string(pid) + "/fd";
      DIR* dir = opendir(base.c_str());
      std::string out;
      while (dirent* entry = readdir(dir)) out += std::string(entry->d_name) + " ";
      closedir(dir);
      say("%s", out.c_str());
      char link[100] = {};
      SHOW(readlink((base + "/" + std::to_string(null)).c_str(), link, sizeof link - 1));
      say("%s", link);
      memset(link, 0, sizeof link);
      MUST(readlink((base + "/" + std::to_string(pair[0])).c_str(), link, sizeof link - 1));
      say("%.6s", link);
      int again = open((base + "/" + std::to_string(pair[1])).c_str(), O_WRONLY);
      SHOW(write(again, "x", 1));
      close(again);
      char c;
      SHOW(read(pair[0], &c, 1));
      std::string info = slurp("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(null));
      say("%s", info.substr(0, info.find("mnt_id")).c_str());
      SHOW(readlink((base + "/77").c_str(), link, sizeof link));
    }
    say("/dev/fd %d", access("/dev/fd/0", F_OK));
    SHOW(open("/dev/stdin", O_RDONLY) >= 0);
    go.open();
    say("%s", reap(child).c_str());
  });
}
