#include "tracer/boot_in_place.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "arch/x86_64/registers.h"
#include "inject/image.h"
#include "inject/site.h"
#include "tracer/guest_maps.h"
#include "tracer/guest_text.h"
#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/syscall_context.h"

namespace warren {

namespace {

const unsigned char* trampoline_code() {
  const auto* const image = reinterpret_cast<const unsigned char*>(&inject::agent_header());
  return image + (inject::agent_header().trampoline - inject::kBase);
}

bool is_in_text(const std::vector<GuestMapping>& texts, std::uint64_t begin, std::uint64_t end) {
  return std::any_of(texts.begin(), texts.end(), [&](const GuestMapping& mapping) {
    return mapping.is_private_text() && mapping.begin <= begin && end <= mapping.end;
  });
}

// After a call the guest goes on where it was, or through the jump that is there by now.
std::uint64_t place_to_resume(const GuestText& text, std::uint64_t after_call) {
  inject::SiteBytes site;
  const std::uint64_t begin = after_call - site.size();
  const bool jump = text.read(begin, site.data(), site.size()) && inject::is_jump(site);
  return jump ? begin : after_call - arch::kSyscallInstructionLength;
}

}  // namespace

int BootInPlace::add_descriptor(int listener, std::uint64_t notification, int fd) {
  seccomp_notif_addfd add{};
  add.id = notification;
  add.srcfd = static_cast<__u32>(fd);
  add.newfd_flags = O_CLOEXEC;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
}

bool BootInPlace::begin(SyscallContext& call, int listener, std::uint64_t notification,
                        int agent_fd, TextImages* texts) {
  const pid_t pid = call.tid();
  ThreadGroup& process = call.task().group();
  // The dynamic loader has caught none yet.
  if (call.nr() != SYS_set_tid_address && read_proc_status(pid).caught != 0) return false;
  // Before it is known that the caller still waits: what follows it fails if it does not.
  const GuestText text(pid);
  const GuestMaps maps(pid);
  if (!maps.is_free(inject::kBase, inject::kEnd)) return false;
  const std::vector<GuestMapping> mapped = maps.texts();
  Boot boot;
  boot.at = call.guest().ip();
  if (texts) boot.plan = texts->plan(pid, mapped);
  const inject::Header& header = inject::agent_header();
  const std::size_t list_size = boot.plan.texts.size() * sizeof(TextImages::Replacement);
  const std::size_t size = header.trampoline_size + sizeof(inject::Trampoline) + list_size;
  boot.original.resize(size);
  // Once as it is: whether it can be written at all.
  if (!is_in_text(mapped, boot.at, boot.at + size) ||
      !text.read(boot.at, boot.original.data(), size) ||
      !text.write(boot.at, boot.original.data(), size)) {
    return false;
  }
  const int fd = add_descriptor(listener, notification, agent_fd);
  if (fd < 0) return false;
  // Without it, all sites stay as they are.
  const int texts_fd =
      boot.plan.texts.empty() ? -1 : add_descriptor(listener, notification, texts->fd());
  if (texts_fd < 0) boot.plan = {};
  const inject::Trampoline data = {
      .again = boot.at - arch::kSyscallInstructionLength,
      .nr = static_cast<std::uint32_t>(call.nr()),
      .fd = fd,
      .texts_fd = texts_fd,
      .nr_texts = static_cast<std::uint32_t>(boot.plan.texts.size()),
  };
  boot.written = boot.original;
  unsigned char* to = boot.written.data();
  std::memcpy(to, trampoline_code(), header.trampoline_size);
  to += header.trampoline_size;
  std::memcpy(to, &data, sizeof data);
  to += sizeof data;
  if (!boot.plan.texts.empty()) std::memcpy(to, boot.plan.texts.data(), list_size);
  if (!text.write(boot.at, boot.written.data(), size)) {
    text.write(boot.at, boot.original.data(), size);
    return false;
  }
  // Nothing of it runs before the caller is answered. In this order: who finds the flag finds the
  // rest.
  {
    const std::lock_guard lock(mutex_);
    boots_[&process] = std::move(boot);
  }
  set_flag(process, ProcessFlag::kBooting);
  return true;
}

std::optional<BootInPlace::Boot> BootInPlace::take(const ThreadGroup& process) {
  const std::lock_guard lock(mutex_);
  const auto it = boots_.find(&process);
  if (it == boots_.end()) return {};
  Boot boot = std::move(it->second);
  boots_.erase(it);
  return boot;
}

bool BootInPlace::failed(Task& task, std::uint64_t ip) {
  ThreadGroup& process = task.group();
  auto boot = take(process);
  if (!boot) return false;
  const GuestText text(task.level0());
  const auto kept = static_cast<std::size_t>(inject::agent_header().trampoline_failed);
  const bool first = !boot->failed && ip == boot->at + kept;
  if (first) {
    text.write(boot->at, boot->original.data(), kept);
    boot->failed = true;
    const std::lock_guard lock(mutex_);
    boots_[&process] = std::move(*boot);
    return true;
  }
  text.write(boot->at, boot->original.data(), boot->original.size());
  set_flag(process, ProcessFlag::kAgentRefused);
  set_flag(process, ProcessFlag::kBooting, false);
  return false;
}

std::optional<BootInPlace::Booted> BootInPlace::booted(Task& task) {
  ThreadGroup& process = task.group();
  auto boot = take(process);
  if (!boot) return {};
  const GuestText text(task.level0());
  // Not where the text is another by now.
  std::vector<unsigned char> there(boot->written.size());
  if (text.read(boot->at, there.data(), there.size()) && there == boot->written) {
    text.write(boot->at, boot->original.data(), boot->original.size());
  }
  set_flag(process, ProcessFlag::kBooting, false);
  return Booted{place_to_resume(text, boot->at), std::move(boot->plan)};
}

void BootInPlace::ended(const ThreadGroup& process) { take(process); }

}  // namespace warren
