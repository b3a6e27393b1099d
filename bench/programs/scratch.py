"""Makes the directory in which everything runs: the small programs, a C project, a repository, a
package to configure, a file of some size, and a copy of warren."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import columns

SOURCE = pathlib.Path(__file__).resolve().parent
# libltdl's own configure script, as Debian's packages libtool and libltdl-dev ship it.
CONFIGURE_PACKAGE, PACKAGE_SOURCE = "libltdl, 115 checks", pathlib.Path("/usr/share/libtool")
DATA_MEGABYTES = 32


def _write_c_project(root, files=50):
    """A C project of `files` sources, a header and a Makefile: the shape of an ordinary small
    build, one compiler process per source and a link."""
    root.mkdir()
    names = [f"part{i:02d}" for i in range(files)]
    declarations = "".join(f"int {name}(int x);\n" for name in names)
    (root / "parts.h").write_text(f"#pragma once\n#include <stdio.h>\n{declarations}")
    for i, name in enumerate(names):
        following = names[(i + 1) % files]
        (root / f"{name}.c").write_text(
            '#include "parts.h"\n'
            f"int {name}(int x) {{ return x <= 0 ? {i} : {following}(x - 1) + {i}; }}\n")
    calls = " + ".join(f"{name}(3)" for name in names)
    (root / "main.c").write_text(
        f'#include "parts.h"\nint main(void) {{ printf("%d\\n", {calls}); return 0; }}\n')
    objects = " ".join(f"{name}.o" for name in ["main"] + names)
    (root / "Makefile").write_text(
        "CC = cc\nCFLAGS = -O1\n"
        f"program: {objects}\n\t$(CC) -o $@ $^\n"
        "%.o: %.c parts.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\n")


def _write_repository_files(root, directories=60, files=50):
    """The files of a repository of some thousands."""
    # Files as old as git's index are read at each `git status`; these are older.
    yesterday = time.time() - 86400
    for i in range(directories):
        directory = root / f"area{i % 10}" / f"part{i:02d}"
        directory.mkdir(parents=True)
        for k in range(files):
            path = directory / f"file{k:02d}.txt"
            path.write_text(f"{i} {k}\n" * 20)
            os.utime(path, (yesterday, yesterday))


def _copy_package(root):
    """The package in the layout that libtoolize gives it; nothing where it is not installed."""
    if not all((PACKAGE_SOURCE / name).exists() for name in ("configure", "build-aux/ltmain.sh")):
        return
    shutil.copytree(PACKAGE_SOURCE, root / "libltdl")
    (root / "libltdl/build-aux").rename(root / "build-aux")


def _write_files(root, warren):
    """Everything that no other program has to make."""
    _write_c_project(root / "project")
    _write_repository_files(root / "repository")
    _copy_package(root / "package")
    (root / "data").write_bytes(b"warren!\n" * (DATA_MEGABYTES << 17))
    # The owner of a repository can be another user inside a namespace than the one who runs git.
    (root / "gitconfig").write_text("[safe]\n\tdirectory = *\n[user]\n\tname = bench\n"
                                    "\temail = bench@localhost\n[init]\n\tdefaultBranch = main\n")
    for path in SOURCE.glob("*.[ch]"):
        shutil.copy(path, root)
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(warren, root / "warren")


def _commands(root):
    """What the user runs to finish it. The repository must be made by the user who will run git in
    it, since the index holds what stat says of each file."""
    compiler = os.environ.get("CC", "cc")
    commands = [[compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread",
                 "-o", str(path.with_suffix("")), str(path)] for path in sorted(root.glob("*.c"))]
    if shutil.which("git"):
        git = ["git", "-C", str(root / "repository")]
        commands += [git + ["init", "-q"], git + ["add", "."], git + ["commit", "-qm", "All"]]
    return commands


@contextlib.contextmanager
def scratch(warren):
    """The directory, for a `with` block: gives (directory, launcher, path of warren in it), where
    `launcher` is the command that turns into the user who owns the directory."""
    with tempfile.TemporaryDirectory(prefix="warren-bench-") as directory:
        root = pathlib.Path(directory)
        root.chmod(0o755)
        _write_files(root, warren)
        launcher, uid, gid = columns.user_launcher(directory)
        if launcher:
            for path, _, names in os.walk(directory):
                os.chown(path, uid, gid)
                for name in names:
                    os.chown(os.path.join(path, name), uid, gid)
        os.environ["GIT_CONFIG_GLOBAL"] = str(root / "gitconfig")
        for command in _commands(root):
            subprocess.run(launcher + command, check=True, cwd=directory)
        yield directory, launcher, str(root / "warren")
