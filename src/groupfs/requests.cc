// The kernel's requests, each answered once.
#include <fcntl.h>

#include <cerrno>
#include <cstdio>

#include "groupfs/file_system.h"

namespace warren::groupfs {

// A friend of FileSystem's, so that the functions that libfuse calls can use it.
struct Requests {
  using Node = FileSystem::Node;
  using OpenFile = FileSystem::OpenFile;
  using OpenDirectory = FileSystem::OpenDirectory;

  static FileSystem& self(fuse_req_t request) {
    return *static_cast<FileSystem*>(fuse_req_userdata(request));
  }
  static void reply(fuse_req_t request, const Result<void>& result) {
    fuse_reply_err(request, result.error_code());
  }
  static void reply_entry(fuse_req_t request, const Node& node) {
    FileSystem& fs = self(request);
    const fuse_entry_param entry = fs.remember(node);
    // An interrupted request: the kernel will not forget what it was not told.
    if (fuse_reply_entry(request, &entry) != 0) fs.forget(entry.ino, 1);
  }
  static void reply_attributes(fuse_req_t request, const Node& node) {
    const struct stat st = self(request).stat_of(node);
    fuse_reply_attr(request, &st, 0);
  }

  static void init(void*, fuse_conn_info* connection) {
    // Answers are small texts.
    connection->want &=
        ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    // open(2) alone, instead of a truncation before it.
    connection->want |= connection->capable & FUSE_CAP_ATOMIC_O_TRUNC;
  }

  static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    FileSystem& fs = self(request);
    const GroupRef group = fs.find_directory(parent);
    const auto node = group ? fs.child(*group, name) : std::nullopt;
    if (!node) {
      fuse_reply_err(request, ENOENT);
    } else {
      reply_entry(request, *node);
    }
  }

  static void forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) {
    self(request).forget(ino, lookups);
    fuse_reply_none(request);
  }

  static void getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
    const auto node = self(request).find(ino);
    if (!node) {
      fuse_reply_err(request, ENOENT);
    } else {
      reply_attributes(request, *node);
    }
  }

  static void setattr(fuse_req_t request, fuse_ino_t ino, struct stat* wanted, int which,
                      fuse_file_info*) {
    FileSystem& fs = self(request);
    const auto node = fs.find(ino);
    if (!node) {
      fuse_reply_err(request, ENOENT);
    } else if (const auto set = fs.set_attributes(*node, *wanted, which, *fuse_req_ctx(request));
               !set) {
      reply(request, set);
    } else {
      reply_attributes(request, *node);
    }
  }

  // --- Names ---

  static void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
    FileSystem& fs = self(request);
    const fuse_ctx& context = *fuse_req_ctx(request);
    const GroupRef group = fs.find_directory(parent);
    if (!group) {
      fuse_reply_err(request, ENOENT);
    } else if (fs.groups_.file_mode(*group, name)) {
      fuse_reply_err(request, EEXIST);
    } else if (const auto may = fs.may_change(*group, context, GroupChange::kInside); !may) {
      reply(request, may);
    } else if (auto made = fs.groups_.make(*group, name, {context.uid, context.gid, mode & 07777});
               !made) {
      fuse_reply_err(request, made.error_code());
    } else {
      reply_entry(request, {std::move(*made), ""});
    }
  }

  static void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
    FileSystem& fs = self(request);
    const GroupRef group = fs.find_directory(parent);
    const auto node = group ? fs.child(*group, name) : std::nullopt;
    if (!node) {
      fuse_reply_err(request, ENOENT);
    } else if (!node->is_directory()) {
      fuse_reply_err(request, ENOTDIR);
    } else if (const auto may = fs.may_change(*node->group, *fuse_req_ctx(request)); !may) {
      reply(request, may);
    } else {
      reply(request, fs.groups_.remove(*node->group));
    }
  }

  static void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                     const char* new_name, unsigned flags) {
    FileSystem& fs = self(request);
    const GroupRef group = fs.find_directory(parent);
    const auto node = group ? fs.child(*group, name) : std::nullopt;
    if (!node) {
      fuse_reply_err(request, ENOENT);
    } else if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) {
      fuse_reply_err(request, EINVAL);
    } else if (!node->is_directory()) {
      fuse_reply_err(request, ENOTDIR);
    } else if (parent != new_parent) {
      fuse_reply_err(request,
                     EIO);  // as cgroup v1; at EXDEV mv(1) would copy, and remove what it can
    } else if (fs.groups_.file_mode(*group, new_name)) {
      fuse_reply_err(request, EEXIST);
    } else if (const auto may = fs.may_change(*node->group, *fuse_req_ctx(request)); !may) {
      reply(request, may);
    } else {
      reply(request, fs.groups_.rename(*node->group, new_name));
    }
  }

  // What is not a group nobody can make or remove: the errors of a directory of kernfs.
  static void create(fuse_req_t request, fuse_ino_t, const char*, mode_t, fuse_file_info*) {
    fuse_reply_err(request, EACCES);
  }
  static void mknod(fuse_req_t request, fuse_ino_t, const char*, mode_t mode, dev_t) {
    fuse_reply_err(request, S_ISREG(mode) ? EACCES : EPERM);
  }
  static void unlink(fuse_req_t request, fuse_ino_t, const char*) {
    fuse_reply_err(request, EPERM);
  }
  static void symlink(fuse_req_t request, const char*, fuse_ino_t, const char*) {
    fuse_reply_err(request, EPERM);
  }
  static void link(fuse_req_t request, fuse_ino_t, fuse_ino_t, const char*) {
    fuse_reply_err(request, EPERM);
  }

  // --- Directories ---

  static OpenDirectory& directory(const fuse_file_info* info) {
    return *reinterpret_cast<OpenDirectory*>(info->fh);
  }

  static void opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
    FileSystem& fs = self(request);
    auto opened = std::make_unique<OpenDirectory>();
    opened->group = fs.find_directory(ino);
    if (!opened->group) {
      fuse_reply_err(request, ENOENT);
      return;
    }
    OpenDirectory* raw = opened.get();
    info->fh = reinterpret_cast<std::uint64_t>(raw);
    {
      const std::lock_guard lock(fs.mutex_);
      fs.open_directories_.emplace(raw, std::move(opened));
    }
    if (fuse_reply_open(request, info) != 0) close_directory(fs, raw);
  }

  static void close_directory(FileSystem& fs, OpenDirectory* raw) {
    std::unique_ptr<OpenDirectory> closed;
    const std::lock_guard lock(fs.mutex_);
    const auto it = fs.open_directories_.find(raw);
    closed = std::move(it->second);
    fs.open_directories_.erase(it);
  }

  static void readdir(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset,
                      fuse_file_info* info) {
    OpenDirectory& directory = Requests::directory(info);
    std::vector<char> buffer(size);
    std::size_t used = 0;
    {
      // Not for the answer: whoever has it may close the directory, and that is its end.
      const std::lock_guard lock(directory.mutex);
      // One list for all parts that it is read in; a new one after rewinddir(3).
      if (offset == 0) directory.entries = self(request).list(*directory.group);
      for (auto i = static_cast<std::size_t>(offset); i < directory.entries.size(); ++i) {
        const FileSystem::Entry& entry = directory.entries[i];
        struct stat st {};
        st.st_ino = entry.inode;
        st.st_mode = entry.type;
        const std::size_t needed =
            fuse_add_direntry(request, buffer.data() + used, size - used, entry.name.c_str(), &st,
                              static_cast<off_t>(i) + 1);
        if (needed > size - used) break;
        used += needed;
      }
    }
    fuse_reply_buf(request, buffer.data(), used);
  }

  static void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    close_directory(self(request), &directory(info));
    fuse_reply_err(request, 0);
  }

  // --- Files ---

  static OpenFile& file(const fuse_file_info* info) {
    return *reinterpret_cast<OpenFile*>(info->fh);
  }

  static void open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
    FileSystem& fs = self(request);
    const auto node = fs.find(ino);
    if (!node || node->is_directory()) {
      fuse_reply_err(request, node ? EISDIR : ENOENT);
      return;
    }
    const auto mode = fs.groups_.file_mode(*node->group, node->file);
    if (!node->group->alive() || !mode) {
      fuse_reply_err(request, ENODEV);
      return;
    }
    // Root too cannot read what has nothing to read.
    const int access = info->flags & O_ACCMODE;
    if ((access != O_WRONLY && (*mode & 0444) == 0) ||
        (access != O_RDONLY && (*mode & 0222) == 0)) {
      fuse_reply_err(request, EACCES);
      return;
    }
    OpenFile& opened = fs.add_open(*node);
    info->fh = reinterpret_cast<std::uint64_t>(&opened);
    info->direct_io = 1;  // sizes are not known, and nothing may be cached
    if (fuse_reply_open(request, info) != 0) fs.close(opened);
  }

  static void read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset,
                   fuse_file_info* info) {
    const auto text = self(request).read(file(info), size, offset, *fuse_req_ctx(request));
    if (!text) {
      fuse_reply_err(request, text.error_code());
    } else {
      fuse_reply_buf(request, text->data(), text->size());
    }
  }

  static void write(fuse_req_t request, fuse_ino_t, const char* data, std::size_t size, off_t,
                    fuse_file_info* info) {
    const auto written = self(request).write(file(info), {data, size}, *fuse_req_ctx(request));
    if (!written) {
      fuse_reply_err(request, written.error_code());
    } else {
      fuse_reply_write(request, size);
    }
  }

  static void poll(fuse_req_t request, fuse_ino_t, fuse_file_info* info, fuse_pollhandle* handle) {
    fuse_reply_poll(request, self(request).poll(file(info), handle));
  }

  static void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    self(request).close(file(info));
    fuse_reply_err(request, 0);
  }
};

fuse_lowlevel_ops FileSystem::operations() {
  fuse_lowlevel_ops operations{};
  operations.init = Requests::init;
  operations.lookup = Requests::lookup;
  operations.forget = Requests::forget;
  operations.getattr = Requests::getattr;
  operations.setattr = Requests::setattr;
  operations.mkdir = Requests::mkdir;
  operations.rmdir = Requests::rmdir;
  operations.rename = Requests::rename;
  operations.create = Requests::create;
  operations.mknod = Requests::mknod;
  operations.unlink = Requests::unlink;
  operations.symlink = Requests::symlink;
  operations.link = Requests::link;
  operations.opendir = Requests::opendir;
  operations.readdir = Requests::readdir;
  operations.releasedir = Requests::releasedir;
  operations.open = Requests::open;
  operations.read = Requests::read;
  operations.write = Requests::write;
  operations.poll = Requests::poll;
  operations.release = Requests::release;
  return operations;
}

}  // namespace warren::groupfs
