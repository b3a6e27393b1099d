// F_GETLK tells the holder's number; open-file-description locks have none (-1).
#include "harness.h"

static struct flock request(short type, off_t start, off_t length) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

static void test(int fd, int command, off_t start, off_t length) {
  struct flock lock = request(F_WRLCK, start, length);
  lock.l_pid = command == F_OFD_GETLK ? 0 : 4711;
  int r = fcntl(fd, command, &lock);
  if (r < 0)
    say("%s", errno_name(errno));
  else
    say("type %s start %ld len %ld pid %d",
        lock.l_type == F_UNLCK   ? "unlocked"
        : lock.l_type == F_WRLCK ? "write"
                                 : "read",
        lock.l_start, lock.l_len, lock.l_pid);
}

int main() {
  char path[] = "/tmp/warren-lock-XXXXXX";
  int fd = MUST(mkstemp(path));
  test(fd, F_GETLK, 0, 10);
  Gate ready, go;
  pid_t holder = spawn([&] {
    int mine = MUST(open(path, O_RDWR));
    struct flock lock = request(F_WRLCK, 5, 3);
    MUST(fcntl(mine, F_SETLK, &lock));
    ready.open();
    go.close_writer();
    go.pass();
  });
  ready.pass();
  test(fd, F_GETLK, 0, 10);
  test(fd, F_GETLK, 0, 5);
  test(fd, F_OFD_GETLK, 0, 10);
  struct flock lock = request(F_WRLCK, 0, 10);
  SHOW(fcntl(fd, F_SETLK, &lock));
  in_child("asked by a child", [&] { test(fd, F_GETLK, 0, 10); });
  // One that waits for the lock, and is interrupted by the holder's end.
  pid_t waiter = spawn([&] {
    struct flock want = request(F_WRLCK, 0, 10);
    SHOW(fcntl(fd, F_SETLKW, &want));
  });
  until_state(waiter, "S");
  go.open();
  say("%s", reap(waiter).c_str());
  say("%s", reap(holder).c_str());
  test(fd, F_GETLK, 0, 10);

  // The own lock is no conflict; a child sees the parent's.
  lock = request(F_WRLCK, 0, 10);
  SHOW(fcntl(fd, F_SETLK, &lock));
  test(fd, F_GETLK, 0, 10);
  in_child("child", [&] { test(fd, F_GETLK, 0, 10); });
  lock = request(F_UNLCK, 0, 10);
  SHOW(fcntl(fd, F_SETLK, &lock));

  int other = MUST(open(path, O_RDWR));
  lock = request(F_WRLCK, 0, 10);
  lock.l_pid = 0;
  SHOW(fcntl(other, F_OFD_SETLK, &lock));
  test(fd, F_GETLK, 0, 10);
  test(fd, F_OFD_GETLK, 0, 10);
  lock.l_pid = 5;
  SHOW(fcntl(fd, F_OFD_GETLK, &lock));
  SHOW(fcntl(fd, F_GETLK, 16));
  unlink(path);
}
