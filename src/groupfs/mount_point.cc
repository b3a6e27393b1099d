#include "groupfs/mount_point.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <string_view>
#include <thread>

#include "base/mount_table.h"
#include "groupfs/fusermount.h"

namespace warren::groupfs {

// The mount namespace and root of a process.
class Place {
 public:
  // Of `process`, or, for 0, the caller's own. Errors: ESRCH, EACCES, …
  static Result<Place> of(pid_t process) {
    Place place;
    if (process == 0) return place;
    const std::string proc = "/proc/" + std::to_string(process);
    UniqueFd ns(open((proc + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC));
    UniqueFd root(open((proc + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!ns || !root) return Errno{errno == ENOENT ? ESRCH : errno};
    if (same_file(ns, "/proc/self/ns/mnt") && same_file(root, "/proc/self/root")) return place;
    place.namespace_ = std::move(ns);
    place.root_ = std::move(root);
    return place;
  }

  bool elsewhere() const { return namespace_.ok(); }

  // Runs `f` there, on a thread of its own, since namespace and root belong to a thread and there
  // may be no way back. Returns what `f` does, an errno or 0.
  int run(const std::function<int()>& f) const {
    if (!elsewhere()) return f();
    int error = 0;
    std::thread([&] {
      if (unshare(CLONE_FS) != 0 || setns(namespace_.get(), CLONE_NEWNS) != 0 ||
          fchdir(root_.get()) != 0 || chroot(".") != 0) {
        error = errno;
        return;
      }
      error = f();
    }).join();
    return error;
  }

 private:
  static bool same_file(const UniqueFd& a, const char* path) {
    struct stat one, other;
    return fstat(a.get(), &one) == 0 && stat(path, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
  }

  UniqueFd namespace_;
  UniqueFd root_;
};

namespace {

constexpr char kDevice[] = "/dev/fuse";
constexpr char kType[] = "fuse.rcfs";

std::string common_options() {
  return std::string("default_permissions") + (may_allow_others() ? ",allow_other" : "");
}

// What keeps everybody, or this user, from using FUSE at all; 0 for nothing.
int device_error(std::string* reason) {
  const UniqueFd device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (device) return 0;
  const int error = errno;
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      *reason = "there is no /dev/fuse; 'modprobe fuse' makes it, where the kernel has FUSE";
      return ENODEV;
    case EACCES:
    case EPERM:
      *reason = "/dev/fuse is not for this user (Debian's udev gives it mode 0666)";
      return error;
    default:
      return error;
  }
}

// The device of what is mounted last at `dir`, as that process sees it. From the list, since asking
// the file system itself would need it served already.
dev_t mounted_device(const std::string& process, const std::string& dir) {
  std::ifstream mounts("/proc/" + process + "/mountinfo");
  dev_t device = 0;
  for (std::string line; std::getline(mounts, line);) {
    unsigned major_number = 0, minor_number = 0;
    std::string id, parent, number, root, point;
    std::istringstream fields(line);
    fields >> id >> parent >> number >> root >> point;
    if (unescape_mount_name(point) != dir || line.find(kType) == line.npos) continue;
    if (std::sscanf(number.c_str(), "%u:%u", &major_number, &minor_number) == 2) {
      device = makedev(major_number, minor_number);
    }
  }
  return device;
}

}  // namespace

bool may_allow_others() {
  if (geteuid() == 0) return true;
  std::ifstream conf("/etc/fuse.conf");
  for (std::string line; std::getline(conf, line);) {
    line.erase(std::min(line.find('#'), line.size()));
    const std::size_t first = line.find_first_not_of(" \t\r");
    const std::size_t last = line.find_last_not_of(" \t\r");
    if (first != line.npos && line.substr(first, last - first + 1) == "user_allow_other") {
      return true;
    }
  }
  return false;
}

Result<MountPoint> MountPoint::mount(const MountRequest& request, std::string* reason) {
  std::string unwanted;
  if (reason == nullptr) reason = &unwanted;
  reason->clear();
  if (const int error = device_error(reason)) return Errno{error};

  MountPoint made;
  made.dir_ = request.dir;
  const auto place = Place::of(request.place);
  if (!place) return place.error();
  made.elsewhere_ = place->elsewhere();
  struct stat dir;
  if (const int error =
          place->run([&] { return stat(made.dir_.c_str(), &dir) == 0 ? 0 : errno; })) {
    return Errno{error};
  }
  if (!S_ISDIR(dir.st_mode)) return Errno{ENOTDIR};

  const bool root = geteuid() == 0;
  const bool elsewhere = place->elsewhere();
  int error = ENOPKG;
  if (!elsewhere) error = made.mount_by_helper(request.source, reason);
  if (root && error == ENOPKG) error = made.mount_by_system_call(request.source, *place);
  if (error == ENOPKG && elsewhere) {
    *reason = "only root can mount in another mount namespace";
    error = EPERM;
  } else if (error == ENOPKG) {
    *reason = "there is no fusermount3; Debian's package fuse3 has it";
  }
  if (error != 0) return Errno{error};
  made.device_number_ =
      mounted_device(elsewhere ? std::to_string(request.place) : "self", made.dir_);
  return made;
}

int MountPoint::mount_by_helper(const std::string& source, std::string* reason) {
  auto helper = fusermount(
      {"-o",
       "rw,nosuid,nodev,noexec,auto_unmount,subtype=rcfs,fsname=" + source + "," + common_options(),
       "--", dir_},
      true);
  if (!helper) return helper.error_code();
  if (!helper->device) {
    *reason = helper->message;
    return errno_in(helper->message);
  }
  device_ = std::move(helper->device);
  watcher_channel_ = std::move(helper->channel);
  watcher_ = helper->pid;
  return 0;
}

int MountPoint::mount_by_system_call(const std::string& source, const Place& place) {
  UniqueFd device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return errno;
  const std::string options = "fd=" + std::to_string(device.get()) +
                              ",rootmode=40000,user_id=" + std::to_string(geteuid()) +
                              ",group_id=" + std::to_string(getegid()) + "," + common_options();
  const int error = place.run([&] {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return ::mount(source.c_str(), dir_.c_str(), kType, kFlags, options.c_str()) == 0 ? 0 : errno;
  });
  if (error == 0) device_ = std::move(device);
  return error;
}

Result<void> MountPoint::unmount(bool lazily, pid_t place) {
  const auto where = Place::of(place);
  if (!where) return where.error();
  int error = 0;
  if (geteuid() == 0) {
    error = where->run([&] {
      return umount2(dir_.c_str(), UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) == 0 ? 0 : errno;
    });
  } else {
    std::vector<std::string> arguments{"-u"};
    if (lazily) arguments.push_back("-z");
    arguments.insert(arguments.end(), {"--", dir_});
    auto helper = fusermount(arguments, false);
    error = !helper ? helper.error_code() : helper->message.empty() ? 0 : errno_in(helper->message);
  }
  if (error != 0) return Errno{error};
  return {};
}

void MountPoint::release() {
  device_.reset();
  watcher_channel_.reset();
  // Somebody else may wait for all children of this process, and so have reaped it.
  if (watcher_ > 0) waitpid(watcher_, nullptr, 0);
  watcher_ = 0;
}

}  // namespace warren::groupfs
