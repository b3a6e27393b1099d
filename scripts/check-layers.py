#!/usr/bin/env python3
"""Fails when an #include goes against the order of the layers.

A file may include its own layer and those below it. base, kernel and the public headers are the
library: they may not include system-call or Linux headers, with the exceptions named here.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["base", "kernel", "group", "groupfs", "arch", "inject", "control", "tracer", "cli"]  # lowest first
LIBRARY = {"warren", "base", "kernel", "group"}
# What the library may take from C and Linux: errno, plain constants and types, no calls.
PLAIN = {"assert.h", "errno.h", "limits.h", "signal.h", "stddef.h", "stdint.h", "inttypes.h",
         "string.h", "sched.h", "linux/sched.h", "asm/errno.h", "sys/types.h"}
LIBRARIES = ("urcu", "fmt/")  # what else the library links with
TESTING = ("gtest/", "gmock/")
EXCEPTIONS = {("src/base/unique_fd.h", "unistd.h")}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The layer of a file of the project, "warren" for the public headers."""
    parts = path.relative_to(ROOT).parts
    return "warren" if parts[0] == "include" else parts[1] if len(parts) > 2 else None


def target_layer(name, path):
    """The layer that an included name belongs to, or None when it is not one of the project's."""
    if name.startswith("warren/"):
        return "warren"
    first = name.split("/", 1)[0]
    if "/" in name and first in LAYERS and (ROOT / "src" / name).exists():
        return first
    if (path.parent / name).exists():
        return layer_of((path.parent / name).resolve())
    return None


def complaint(path, quote, name):
    """What is wrong with one #include, or None."""
    layer, target = layer_of(path), target_layer(name, path)
    if target == "warren" or layer is None:
        return None
    if target is not None:
        if layer == "warren":
            return f"a public header includes the inner layer {target}"
        if LAYERS.index(target) > LAYERS.index(layer):
            return f"layer {layer} includes the higher layer {target}"
        return None
    if quote == '"' and not name.startswith(TESTING):
        return "no such file in the project"
    if layer not in LIBRARY or "." not in name and "/" not in name:
        return None
    # A test is not part of the library.
    if path.stem.endswith("_test") or "testing" in path.parts:
        return None
    relative = str(path.relative_to(ROOT))
    if name in PLAIN or name.startswith(LIBRARIES) or (relative, name) in EXCEPTIONS:
        return None
    return f"the library (layer {layer}) makes no system call"


def main():
    files = [f for top in ("include", "src") for f in sorted((ROOT / top).rglob("*"))
             if f.suffix in (".h", ".cc", ".c", ".def", ".inc")]
    unknown = {f.parts[-2] for f in files if layer_of(f) not in LAYERS + ["warren", None]}
    bad = 0
    for folder in sorted(unknown):
        print(f"check-layers: src/{folder} is no layer of scripts/check-layers.py",
              file=sys.stderr)
        bad += 1
    for path in files:
        if layer_of(path) not in LAYERS + ["warren"]:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            why = match and complaint(path, *match.groups())
            if why:
                print(f"{path.relative_to(ROOT)}:{number}: {line.strip()}: {why}",
                      file=sys.stderr)
                bad += 1
    if bad:
        return 1
    print(f"check-layers: {len(files)} files keep the order {' < '.join(LAYERS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
