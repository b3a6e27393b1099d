#include "inject/path_text.h"

#include <gtest/gtest.h>

#include <string>

namespace warren::inject {
namespace {

TEST(PathText, NamesProcOrAnFdDirectory) {
  for (const char* path :
       {"proc",      "/proc",   "/proc/",      "/proc/1/stat", "//proc//self", "proc/self",
        "./proc",    "../proc", "/a/b/proc/c", "/a/../proc",   "/proc/..",     "a/proc",
        "fd",        "/dev/fd", "/dev/fd/0",   "fd/0",         "./fd/3",       "/proc/self/fd/1",
        "dev//fd//", "x/fd",    "/mnt/proc/"}) {
    EXPECT_TRUE(mentions_proc(path)) << path;
  }
}

TEST(PathText, IsOrdinary) {
  for (const char* path :
       {"",           "/",        "//",         ".",           "..",
        "pro",        "/pro",     "/procs",     "/procs/1",    "/xproc",
        "aproc/b",    "/Proc",    "/proc1",     "/proc.",      "/.proc",
        "/ proc",     "f",        "d",          "/fdx",        "/xfd",
        "/dev/fd0",   "/dev/ffd", "/dev/stdin", "/etc/passwd", "/usr/lib/procps/x",
        "p/r/o/c",    "f/d",      "pr/oc",      "proc\\/1",    "/pproc/1",
        "/dev/fds/1", "procproc", "fdfd",       "pprocc",      "/sys/fs/FD"}) {
    EXPECT_FALSE(mentions_proc(path)) << path;
  }
}

TEST(PathText, LengthDoesNotMatter) {
  const std::string filler(10000, 'p');
  EXPECT_FALSE(mentions_proc(filler));
  EXPECT_TRUE(mentions_proc(filler + "/proc"));
  EXPECT_TRUE(mentions_proc("fd/" + filler));
  EXPECT_FALSE(mentions_proc(std::string(10000, '/')));
}

}  // namespace
}  // namespace warren::inject
