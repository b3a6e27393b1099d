// differs: messages are not trapped, so SCM_CREDENTIALS carries host numbers (docs/compat.md)
// SCM_CREDENTIALS: the sender's pid arrives in the receiver's numbers.
#include "harness.h"

// What was sent is there already: a message between these two is never under way.
static void receive(const char* what, int fd, pid_t sender) {
  char c, control[256];
  iovec vector = {&c, 1};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(fd, &message, MSG_DONTWAIT) < 0) {
    say("%s: %s", what, errno_name(errno));
    return;
  }
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_CREDENTIALS) continue;
    ucred credentials;
    memcpy(&credentials, CMSG_DATA(h), sizeof credentials);
    say("%s: pid right %d uid right %d", what, credentials.pid == sender,
        credentials.uid == geteuid());
    return;
  }
  say("%s: no credentials", what);
}

static long send_as(int fd, pid_t pid) {
  char c = 'x', control[CMSG_SPACE(sizeof(ucred))] = {};
  iovec vector = {&c, 1};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* h = CMSG_FIRSTHDR(&message);
  h->cmsg_level = SOL_SOCKET;
  h->cmsg_type = SCM_CREDENTIALS;
  h->cmsg_len = CMSG_LEN(sizeof(ucred));
  ucred credentials = {pid, getuid(), getgid()};
  memcpy(CMSG_DATA(h), &credentials, sizeof credentials);
  return sendmsg(fd, &message, 0);
}

int main() {
  below_init([] {
    int pair[2], on = 1;
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    MUST(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    MUST(write(pair[1], "x", 1));
    receive("implicit", pair[0], getpid());
    in_child("child", [&] { MUST(write(pair[1], "x", 1)); });
    receive("implicit, by a child", pair[0], 3);
    SHOW(send_as(pair[1], getpid()));
    receive("explicit", pair[0], getpid());
    SHOW(send_as(pair[1], 9999));
    SHOW(send_as(pair[1], 1));
    in_child("child", [&] {
      SHOW(send_as(pair[1], getpid()));
      SHOW(send_as(pair[1], getppid()));
    });
    receive("explicit, by a child", pair[0], 4);
  });
}
