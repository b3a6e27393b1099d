// The files of a group: which there are, whose they are, reading and writing.
#include <algorithm>
#include <cerrno>

#include "group/core.h"

namespace warren {

bool GroupsImpl::shown_on(unsigned flags, const Group& group) {
  const unsigned against =
      group.parent_ == nullptr ? GroupFile::kNotOnRoot : GroupFile::kOnlyOnRoot;
  return (flags & against) == 0;
}

bool GroupsImpl::offers(const Group& group, int index, const GroupFile& file) const {
  if (!shown_on(file.flags, group)) return false;
  const bool kernels = (taken_over.load(std::memory_order_relaxed) & bit(index)) != 0;
  return !kernels || mirror->has(file.name);
}

const CommonFile* GroupsImpl::find_common(std::string_view name) {
  for (const CommonFile& file : common_files()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

const GroupFile* GroupsImpl::find_file(const Group& group, std::string_view name,
                                       SubsystemState** state) const {
  for (int i = 0; i < nr_subsystems(); ++i) {
    SubsystemState* own =
        group.inner_->states[static_cast<std::size_t>(i)].load(std::memory_order_acquire);
    if (own == nullptr) continue;
    for (const GroupFile& file : subsystem(i).files) {
      if (file.name != name || !offers(group, i, file)) continue;
      *state = own;
      return &file;
    }
  }
  return nullptr;
}

bool GroupsImpl::is_taken_over(const GroupFile& file) const {
  for (std::uint32_t left = taken_over.load(std::memory_order_relaxed); left != 0;) {
    const std::span<const GroupFile> files = subsystem(take_bit(left)).files;
    if (&file >= files.data() && &file < files.data() + files.size()) return true;
  }
  return false;
}

bool GroupsImpl::has_file(const Group& group, std::string_view name) const {
  const CommonFile* common = find_common(name);
  if (common != nullptr) return shown_on(common->flags, group);
  SubsystemState* state = nullptr;
  return find_file(group, name, &state) != nullptr;
}

std::vector<std::string> Groups::files(const Group& group) const {
  std::vector<std::string> all;
  for (const CommonFile& file : GroupsImpl::common_files()) {
    if (GroupsImpl::shown_on(file.flags, group)) all.emplace_back(file.name);
  }
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    if (group.state(impl_->subsystem(i)) == nullptr) continue;
    for (const GroupFile& file : impl_->subsystem(i).files) {
      if (impl_->offers(group, i, file)) all.emplace_back(file.name);
    }
  }
  return all;
}

std::optional<mode_t> GroupsImpl::mode(const Group& group, std::string_view name) const {
  const auto mode_of = [](bool read, bool write) -> mode_t {
    return read ? (write ? 0644 : 0444) : 0200;
  };
  if (const CommonFile* common = find_common(name)) {
    if (!shown_on(common->flags, group)) return std::nullopt;
    return mode_of(common->read != nullptr, common->write != nullptr);
  }
  SubsystemState* state = nullptr;
  const GroupFile* file = find_file(group, name, &state);
  if (file == nullptr) return std::nullopt;
  return mode_of(file->read != nullptr, file->write != nullptr);
}

std::optional<mode_t> Groups::file_mode(const Group& group, std::string_view file) const {
  return impl_->mode(group, file);
}

Result<std::string> Groups::read(Group& group, std::string_view name, const GroupCaller& caller) {
  const GroupRef pin(&group);
  if (const CommonFile* common = GroupsImpl::find_common(name)) {
    GroupsImpl::Writer writer(*impl_);
    if (!group.alive()) return Errno{ENODEV};
    if (!GroupsImpl::shown_on(common->flags, group)) return Errno{ENOENT};
    if (common->read == nullptr) return Errno{EACCES};
    return common->read(*impl_, group, caller);
  }
  SubsystemState* state = nullptr;
  const GroupFile* file = impl_->find_file(group, name, &state);
  if (!group.alive()) return Errno{ENODEV};
  if (file == nullptr) return Errno{ENOENT};
  if (file->read == nullptr) return Errno{EACCES};
  if (impl_->is_taken_over(*file)) return impl_->mirror->read(group, name);
  return file->read(*state, caller);
}

namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

Result<void> Groups::write(Group& group, std::string_view name, std::string_view text,
                           const GroupCaller& caller) {
  const GroupRef pin(&group);
  if (const CommonFile* common = GroupsImpl::find_common(name)) {
    GroupsImpl::Writer writer(*impl_);
    if (!group.alive()) return Errno{ENODEV};
    if (!GroupsImpl::shown_on(common->flags, group)) return Errno{ENOENT};
    if (common->write == nullptr) return Errno{EACCES};
    if (auto r = impl_->may_change(group, caller, change_by(name)); !r) return r;
    return common->write(*impl_, group, trim(text), caller);
  }
  SubsystemState* state = nullptr;
  const GroupFile* file = impl_->find_file(group, name, &state);
  if (!group.alive()) return Errno{ENODEV};
  if (file == nullptr) return Errno{ENOENT};
  if (file->write == nullptr) return Errno{EACCES};
  if (auto r = may_change(group, caller, change_by(name)); !r) return r;
  if (impl_->is_taken_over(*file)) return impl_->mirror->write(group, name, trim(text));
  return file->write(*state, trim(text), caller);
}

GroupAttributes GroupsImpl::attributes(const Group& group, std::string_view file) const {
  const std::optional<mode_t> own_mode = file.empty() ? std::nullopt : mode(group, file);
  std::lock_guard guard(names);
  if (file.empty()) return group.inner_->attributes;
  const auto found = group.inner_->file_attributes.find(file);
  if (found != group.inner_->file_attributes.end()) return found->second;
  GroupAttributes inherited = group.inner_->of_files;
  inherited.mode = own_mode.value_or(0);
  return inherited;
}

GroupAttributes Groups::attributes(const Group& group, std::string_view file) const {
  return impl_->attributes(group, file);
}

Result<void> Groups::set_attributes(Group& group, std::string_view file,
                                    const GroupAttributes& attributes) {
  if (!group.alive()) return Errno{ENODEV};
  if (!file.empty() && !impl_->mode(group, file)) return Errno{ENOENT};
  std::lock_guard guard(impl_->names);
  if (!file.empty()) {
    group.inner_->file_attributes.insert_or_assign(std::string(file), attributes);
    return {};
  }
  group.inner_->attributes = attributes;
  // Nobody made a root: whoever gets it gets its files.
  if (group.parent_ == nullptr) group.inner_->of_files = attributes;
  return {};
}

}  // namespace warren
