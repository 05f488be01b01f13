"""Symbolic links on the way, and hard links to what is not the image's."""

import os

from tests.adversarial.corpus.model import CANARY, UP, Chapter
from tests.support.tars import directory, file, gnu_long, hardlink, member, pax, symlink

chapter = Chapter("symbolic link")
no, yes = chapter.no, chapter.yes
LINK = {"l": f"l:{CANARY}"}

yes("out, absolute", [[symlink("l", CANARY)]], LINK, "CVE-2020-27833")
yes("out, relative", [[symlink("l", UP)]], {"l": f"l:{UP}"})
yes(
    "write through, absolute",
    [[symlink("l", CANARY), file("l/new")]],
    {**LINK, "canary": "d", "canary/new": "f:data"},
    "CVE-2007-4559",
)
yes(
    "write through, relative",
    [[symlink("l", UP), file("l/new")]],
    {"l": f"l:{UP}", "canary": "d", "canary/new": "f:data"},
    "CVE-2007-4559",
)
yes(
    "overwrite through",
    [[symlink("l", CANARY), file("l/file", b"evil")]],
    {**LINK, "canary": "d", "canary/file": "f:evil"},
    "CVE-2007-4559",
)
yes(
    "two layers",
    [[symlink("l", CANARY)], [file("l/new")]],
    {**LINK, "canary": "d", "canary/new": "f:data"},
    "CVE-2014-9356",
)
yes(
    "two layers, overwrite",
    [[symlink("l", UP)], [file("l/file", b"evil")]],
    {"l": f"l:{UP}", "canary": "d", "canary/file": "f:evil"},
    "CVE-2014-9356",
)
yes(
    "three layers, chain",
    [[symlink("a", "b")], [symlink("b", UP)], [file("a/new")]],
    {"a": "l:b", "b": f"l:{UP}", "canary": "d", "canary/new": "f:data"},
    "CVE-2014-9356",
)
yes(
    "chain",
    [[symlink("a", "b"), symlink("b", "c"), symlink("c", UP), file("a/new")]],
    {"a": "l:b", "b": "l:c", "c": f"l:{UP}", "canary": "d", "canary/new": "f:data"},
)
yes(
    "chain through an inner link",
    [[directory("d"), symlink("d/u", "../.."), symlink("w", "d/u/../../../../canary"), file("w/new")]],
    {"d": "d", "d/u": "l:../..", "w": "l:d/u/../../../../canary", "canary": "d", "canary/new": "f:data"},
)
yes(
    "final component is not followed",
    [[symlink("l", f"{CANARY}/file"), file("l", b"mine")]],
    {"l": "f:mine"},
    "CVE-2007-4559",
)
yes("final component, two layers", [[symlink("l", f"{CANARY}/file")], [file("l", b"mine")]], {"l": "f:mine"})
yes(
    "directory through",
    [[symlink("l", CANARY), directory("l/sub", mode=0o777)]],
    {**LINK, "canary": "d", "canary/sub": ("d", {"mode": 0o777})},
)
yes(
    "mode of a directory through",
    [[symlink("l", CANARY), directory("l/dir", mode=0o777)]],
    {**LINK, "canary": "d", "canary/dir": ("d", {"mode": 0o777})},
    "CVE-2024-12718",
)
yes(
    "directory over a link out, same layer",
    [[symlink("l", CANARY), directory("l", mode=0o700), file("l/new")]],
    {"l": ("d", {"mode": 0o700}), "l/new": "f:data"},
)
yes(
    "directory over a link out, next layer",
    [[symlink("l", CANARY)], [directory("l", mode=0o700), file("l/new")]],
    {"l": ("d", {"mode": 0o700}), "l/new": "f:data"},
)
yes(
    "a merged /usr is written through",
    [[directory("usr/lib"), symlink("lib", "usr/lib")], [directory("lib"), file("lib/x")]],
    {"usr": "d", "usr/lib": "d", "lib": "l:usr/lib", "usr/lib/x": "f:data"},
)
yes("link through", [[symlink("l", CANARY), symlink("l/s", "/etc")]], {**LINK, "canary": "d", "canary/s": "l:/etc"})
yes("fifo through", [[symlink("l", CANARY), member("l/p", b"6")]], {**LINK, "canary": "d", "canary/p": "p"})
yes(
    "device through",
    [[symlink("l", CANARY), member("l/n", b"3", device=(1, 3))]],
    {**LINK, "canary": "d", "canary/n": "c:1,3"},
)
yes(
    "to /proc/self/root",
    [[symlink("l", "/proc/self/root/canary"), file("l/new")]],
    {
        "l": "l:/proc/self/root/canary",
        "proc": "d",
        "proc/self": "d",
        "proc/self/root": "d",
        "proc/self/root/canary": "d",
        "proc/self/root/canary/new": "f:data",
    },
)
no(
    "to /proc/self/cwd",
    [[symlink("l", "/proc/self/cwd/../../../canary"), file("l/new")]],
    "does not fit",
    "l/new",
    "CVE-2024-21626",
    umoci_tree="takes `..` after a missing directory by its text",
)
yes(
    "to an open descriptor",
    [[symlink("l", "/proc/self/fd/3"), file("l/new")]],
    {
        "l": "l:/proc/self/fd/3",
        "proc": "d",
        "proc/self": "d",
        "proc/self/fd": "d",
        "proc/self/fd/3": "d",
        "proc/self/fd/3/new": "f:data",
    },
    "CVE-2024-21626",
)
yes("to the root", [[symlink("l", "/"), file("l/x")]], {"l": "l:/", "x": "f:data"})
yes("to itself by ..", [[symlink("l", "../dest"), file("l/x")]], {"l": "l:../dest", "dest": "d", "dest/x": "f:data"})
yes(
    "to the neighbour",
    [[symlink("l", "../dest-other"), file("l/file", b"x")]],
    {"l": "l:../dest-other", "dest-other": "d", "dest-other/file": "f:x"},
)
yes(
    "replaced by a link between two files",
    [[directory("d"), file("d/a"), symlink("d", CANARY), file("d/file", b"evil")]],
    {"d": f"l:{CANARY}", "canary": "d", "canary/file": "f:evil"},
    "CVE-2021-32803",
)
yes(
    "parent replaced by a link, next layer",
    [[directory("d"), file("d/a")], [symlink("d", CANARY), file("d/file", b"evil")]],
    {"d": f"l:{CANARY}", "canary": "d", "canary/file": "f:evil"},
    "CVE-2021-32803",
)
yes(
    "times through",
    [[symlink("l", CANARY), directory("l", mtime=1), directory("l/dir", mtime=1)]],
    {"l": "d", "l/dir": "d"},
    "CVE-2024-12718",
)
yes(
    "link target with a trailing slash",
    [[symlink("l", f"{CANARY}/"), file("l/new")]],
    {"l": f"l:{CANARY}/", "canary": "d", "canary/new": "f:data"},
)
no("loop", [[symlink("a", "b"), symlink("b", "a"), file("a/x")]], "does not fit", "a/x")
no("link to itself", [[symlink("a", "a"), file("a/x")]], "does not fit", "a/x")
no(
    "chain of 60",
    [[*(symlink(f"l{n}", f"l{n + 1}") for n in range(60)), file("l0/x")]],
    "does not fit",
    "l0/x",
    umoci_tree="follows 255 links",
)
no("to a file, then below", [[file("f"), symlink("l", "f"), file("l/x")]], "does not fit", "l/x")
no("empty target", [[symlink("x", "")]], "0 bytes", "x")
no("target of 4,096 bytes", [[pax({"linkpath": "x" * 4096}) + symlink("x", "x")]], "4096 bytes", "x")
no("with data", [[member("a", b"2", b"data", link="x")]], "bytes of data", "a")
no("NUL in a PAX target", [[pax({"linkpath": b"a\0b"}) + symlink("a", "c")]], "NUL", "PaxHeaders/x")


def realpath_bypass(last: list[bytes]) -> list[bytes]:
    """Links whose resolved path is longer than PATH_MAX, so that a check by realpath() stops looking (published)."""
    members, path = [], ""
    for step in "abcdefghijklmnop":
        members.append(pax({"path": os.path.join(path, "d" * 247)}) + directory("x"))
        members.append(pax({"path": os.path.join(path, step), "linkpath": "d" * 247}) + symlink("x", "x"))
        path = os.path.join(path, "d" * 247)
    long = "/".join("abcdefghijklmnop") + "/" + "l" * 254
    members.append(pax({"path": long, "linkpath": "../" * 16}) + symlink("x", "x"))
    members.append(pax({"path": "escape", "linkpath": f"{long}/{UP}"}) + symlink("x", "x"))
    return members + last


no(
    "realpath() past PATH_MAX",
    [realpath_bypass([file("escape/new")])],
    "does not fit",
    "escape/new",
    "CVE-2025-4517",
    umoci="file name too long",
)
no(
    "realpath() past PATH_MAX, hard link",
    [realpath_bypass([hardlink("h", "escape/file"), file("h", b"evil")])],
    "does not exist",
    "h",
    "CVE-2025-4517",
    umoci="file name too long",
)
no(
    "realpath() past PATH_MAX, directory's mode",
    [realpath_bypass([directory("escape/dir", mode=0o777)])],
    "does not fit",
    "escape/dir",
    "CVE-2024-12718",
    umoci="file name too long",
)
no(
    "hard link to a link, moved up",
    [[directory("a/b"), symlink("a/b/s", "../../x"), hardlink("h", "a/b/s"), file("h/../canary/new")]],
    "`..`",
    "h/../canary/new",
    "CVE-2025-4330",
)
yes(
    "hard link to a link, moved up, then through it",
    [[directory("a/b/c/d"), symlink("a/b/c/d/s", "../../../../canary"), hardlink("h", "a/b/c/d/s"), file("h/new")]],
    {
        "a": "d",
        "a/b": "d",
        "a/b/c": "d",
        "a/b/c/d": "d",
        "a/b/c/d/s": "l:../../../../canary",
        "h": "h:a/b/c/d/s",
        "canary": "d",
        "canary/new": "f:data",
    },
    "CVE-2025-4330",
)
yes(
    "a link out of an inner directory",
    [[directory("a"), symlink("a/s", "../" * 9 + "canary/secret"), file("x")]],
    {"a": "d", "a/s": "l:" + "../" * 9 + "canary/secret", "x": "f:data"},
    "CVE-2025-4138",
)
no(
    "good members after a refused one",
    [[file("good"), file(f"{UP}/new"), file("more")]],
    "`..`",
    f"{UP}/new",
    "CVE-2025-4435",
)

chapter_hard = Chapter("hard link")
no, yes = chapter_hard.no, chapter_hard.yes
no("to outside, climbing", [[hardlink("x", f"{UP}/secret")]], "`..`", "x", "CVE-2014-6407")
no("to outside, absolute", [[hardlink("x", f"{CANARY}/secret")]], "does not exist", "x", "CVE-2014-6407")
no("to outside, then written", [[hardlink("x", f"{UP}/file"), file("x", b"evil")]], "`..`", "x")
no(
    "to outside, then chmod by a second layer",
    [[hardlink("x", f"{CANARY}/file")], [member("x", mode=0o4777)]],
    "does not exist",
    "x",
)
no("through a link out", [[symlink("l", CANARY), hardlink("x", "l/secret")]], "does not exist", "x", "CVE-2014-6407")
no("through a link up", [[symlink("l", UP), hardlink("x", "l/secret")]], "does not exist", "x", "CVE-2014-6407")
no(
    "through a link of the layer below",
    [[symlink("l", UP)], [hardlink("x", "l/secret")]],
    "does not exist",
    "x",
    "CVE-2014-6407",
)
no("PAX target climbs", [[pax({"linkpath": f"{UP}/secret"}) + hardlink("x", "fine"), file("fine")]], "`..`", "x")
no("GNU target climbs", [[file("fine"), gnu_long(f"{UP}/secret", b"K") + hardlink("x", "fine")]], "`..`", "x")
no("forward", [[hardlink("x", "later"), file("later")]], "does not exist", "x")
no("to itself", [[file("x"), hardlink("x", "x")]], "to itself", "x")
no("to itself by another path", [[file("x"), hardlink("x", "./x")]], "to itself", "x")
no("to itself through a link", [[file("d/x"), symlink("l", "d"), hardlink("l/x", "d/x")]], "to itself", "l/x")
no("to itself, missing", [[hardlink("x", "x")]], "does not exist", "x")
no("to a directory", [[directory("d"), hardlink("x", "d")]], "a directory", "x")
no("to the root", [[hardlink("x", "/")]], "root of the image", "x")
no("to .", [[hardlink("x", ".")]], "root of the image", "x")
no("to nothing", [[hardlink("x", "")]], "link target is empty", "x")
no("to a whiteout", [[file(".wh.y"), hardlink("x", ".wh.y")]], "whiteout", "x")
no("to what the layer has deleted", [[file("y")], [file(".wh.y"), hardlink("x", "y")]], "does not exist", "x")
no("over its target's directory", [[file("d/f"), hardlink("d", "d/f")]], "which it replaces", "d")
no("with data", [[file("y"), member("x", b"1", b"data", link="y")]], "bytes of data", "x", "CVE-2016-5418")
no("to /proc/self/exe", [[hardlink("x", "/proc/self/exe")]], "does not exist", "x")
yes("to a link out", [[symlink("l", f"{CANARY}/file"), hardlink("h", "l")]], {"l": f"l:{CANARY}/file", "h": "h:l"})
yes(
    "to a link out, then written",
    [[symlink("l", f"{CANARY}/file"), hardlink("h", "l"), file("h", b"evil")]],
    {"l": f"l:{CANARY}/file", "h": "f:evil"},
)
yes(
    "to a link out, then written, next layer",
    [[symlink("l", f"{CANARY}/file"), hardlink("h", "l")], [file("h", b"evil")]],
    {"l": f"l:{CANARY}/file", "h": "f:evil"},
)
yes(
    "to a link out, then chmod",
    [[symlink("l", f"{CANARY}/file"), hardlink("h", "l"), member("h", mode=0o777)]],
    {"l": f"l:{CANARY}/file", "h": "f:"},
)
yes("to a fifo", [[member("f", b"6"), hardlink("g", "f")]], {"f": "p", "g": "h:f"})
yes("to a device", [[member("f", b"3", device=(1, 3)), hardlink("g", "f")]], {"f": "c:1,3", "g": "h:f"})
yes("to the layer below", [[file("a", b"1")], [hardlink("b", "a")]], {"a": "f:1", "b": "h:a"})
yes(
    "replacing one name keeps the other",
    [[file("a", b"1"), hardlink("b", "a")], [file("a", b"2")]],
    {"a": "f:2", "b": "f:1"},
)
yes("absolute target inside", [[file("a", b"1"), hardlink("b", "/a")]], {"a": "f:1", "b": "h:a"})
yes(
    "over a link out", [[file("a", b"1"), symlink("l", f"{CANARY}/file"), hardlink("l", "a")]], {"a": "f:1", "l": "h:a"}
)
