"""Clip names: which can be a feature's file name, and how the others are printed."""

from __future__ import annotations

import errno

LONGEST = 250  # bytes of ``<name>.npy``; file systems take 255
# What the system answers to a name that this file system does not take: too long, characters it cannot write.
NAME_ERRORS = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ))


def printable(name: str) -> str:
    r"""`name` with the bytes that are not UTF-8 spelt ``\xe9``, for lists and screens."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def name_fault(name: str) -> str:
    """Why no feature can be saved under `name`; "" when it can."""
    if "\0" in name:
        return "holds a NUL character and cannot be a file name"
    if "/" in name or name.startswith("."):
        return "cannot be a file name; no / and no leading . please"
    try:
        size = len(f"{name}.npy".encode())
    except UnicodeEncodeError:
        return "is not UTF-8; rename the file"
    if size > LONGEST:
        return f"is too long for a file name ({size} bytes with .npy, at most {LONGEST}); shorten it"
    return ""
