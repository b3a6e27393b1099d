// SO_PEERCRED's pid: socketpair, connect and listen, and across a fork.
#include <sys/un.h>
#include <time.h>

#include "harness.h"

static void peer(const char* what, int fd) {
  ucred credentials = {-5, 0, 0};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
    say("%s: %s", what, errno_name(errno));
  else
    say("%s: pid %d uid right %d length %u", what, credentials.pid, credentials.uid == geteuid(),
        length);
}

int main() {
  below_init([] {
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    peer("socketpair", pair[0]);
    in_child("child", [&] { peer("inherited", pair[0]); });

    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "warren-peercred-%ld-%lx",
             static_cast<long>(time(nullptr)), arg(&pair));
    int listener = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    peer("unconnected", listener);
    MUST(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address));
    MUST(listen(listener, 5));
    peer("listening", listener);
    Gate go, said;
    pid_t client = spawn([&] {
      int s = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
      MUST(connect(s, reinterpret_cast<sockaddr*>(&address), sizeof address));
      peer("client sees the listener", s);
      said.open();
      go.close_writer();
      go.pass();
    });
    int s = MUST(accept(listener, nullptr, nullptr));
    said.pass();
    say("client is %d", client);
    peer("server sees the client", s);
    go.open();
    say("%s", reap(client).c_str());
    peer("after the client's end", s);
    ucred small;
    socklen_t length = 4;
    memset(&small, 0x55, sizeof small);
    SHOW(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &small, &length));
    say("pid %d length %u, rest untouched %d", small.pid, length, small.uid == 0x55555555);
    length = 100;
    SHOW(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &small, &length));
    say("length %u", length);
    SHOW(getsockopt(s, SOL_SOCKET, SO_PEERCRED, nullptr, &length));
    SHOW(getsockopt(go.fds[0], SOL_SOCKET, SO_PEERCRED, &small, &length));
    int udp = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    peer("udp", udp);
  });
}
