// The numbers inside /proc/PID/stat and status: pid, ppid, pgrp, session, tty_nr, tpgid, threads.
#include <pthread.h>
#include <pty.h>

#include "harness.h"

static void show(const char* what, int pid) {
  std::string stat = "/proc/" + std::to_string(pid) + "/stat",
              status = "/proc/" + std::to_string(pid) + "/status";
  say("%s: stat %s %s %s %s %s tpgid %s threads %s exit_signal %s", what,
      stat_field(stat, 1).c_str(), stat_field(stat, 2).c_str(), stat_field(stat, 4).c_str(),
      stat_field(stat, 5).c_str(), stat_field(stat, 6).c_str(), stat_field(stat, 8).c_str(),
      stat_field(stat, 20).c_str(), stat_field(stat, 38).c_str());
  for (const char* key :
       {"Name", "Tgid", "Ngid", "Pid", "PPid", "NStgid", "NSpid", "NSpgid", "NSsid", "Threads"})
    say("  %s %s", key, status_field(status, key).c_str());
}

int main() {
  show("init", 1);
  int master, slave;
  MUST(openpty(&master, &slave, nullptr, nullptr, nullptr));
  Gate ready, go;
  pid_t leader = spawn([&] {
    MUST(setsid());
    MUST(ioctl(slave, TIOCSCTTY, 0));
    signal(SIGTTOU, SIG_IGN);
    pid_t job = spawn([&] {
      setpgid(0, 0);
      go.close_writer();
      pthread_t t;
      pthread_create(
          &t, nullptr,
          [](void*) -> void* {
            for (;;) pause();
          },
          nullptr);
      ready.open();
      go.pass();
      _exit(0);
    });
    setpgid(job, job);
    tcsetpgrp(slave, job);
    ready.open();
    say("%s", reap(job).c_str());
  });
  ready.pass();
  ready.pass();
  show("leader", leader);
  show("job", leader + 1);
  // A thread's own files, in the process's task directory and by its number.
  std::string task = "/proc/" + std::to_string(leader + 1) + "/task/" + std::to_string(leader + 2);
  say("thread stat %s ppid %s Pid %s Tgid %s", stat_field(task + "/stat", 1).c_str(),
      stat_field(task + "/stat", 4).c_str(), status_field(task + "/status", "Pid").c_str(),
      status_field(task + "/status", "Tgid").c_str());
  show("thread by number", leader + 2);
  say("children of the leader: %s",
      slurp("/proc/" + std::to_string(leader) + "/task/" + std::to_string(leader) + "/children")
          .c_str());
  say("children of init: %s", slurp("/proc/1/task/1/children").c_str());
  say("children of a leaf: '%s'", slurp("/proc/" + std::to_string(leader + 1) + "/task/" +
                                        std::to_string(leader + 1) + "/children")
                                      .c_str());
  go.open();
  say("%s", reap(leader).c_str());

  pid_t zombie = spawn([] {});
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT));
  show("zombie", zombie);
  say("state %s", stat_field("/proc/" + std::to_string(zombie) + "/stat", 3).c_str());
  say("cmdline '%s'", slurp("/proc/" + std::to_string(zombie) + "/cmdline").c_str());
  say("%s", reap(zombie).c_str());
  show("nobody", zombie);
  // A name with blanks, brackets and a line end.
  prctl(PR_SET_NAME, "a) b (c\n1 2");
  std::string text = slurp("/proc/1/stat");
  say("%s", text.substr(0, text.rfind(')') + 1).c_str());
  text = slurp("/proc/1/status");
  say("%s", text.substr(0, text.find("\nUmask")).c_str());
  // Read in small pieces, the text is the same.
  int fd = MUST(open("/proc/1/status", O_RDONLY));
  std::string pieces;
  char buffer[7];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) pieces.append(buffer, static_cast<size_t>(n));
  say("in pieces %d", pieces.find("\nPid:\t1\n") != std::string::npos &&
                          pieces.find("\nNSpid:\t1\n") != std::string::npos);
  say("from the middle: %zd", pread(fd, buffer, 5, 2));
  say("%.5s", buffer);
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(read(fd, buffer, 7));
  say("%.7s", buffer);
}
