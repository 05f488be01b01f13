"""Whiteouts, overlay's and aufs' marks, devices, set-id bits, attributes and owners."""

import struct

from tests.adversarial.corpus.model import CANARY, UP, Chapter
from tests.support.tars import directory, file, hardlink, member, pax, symlink

chapter = Chapter("whiteout")
no, yes = chapter.no, chapter.yes
LINK = {"l": f"l:{CANARY}"}

no("of nothing", [[file("a"), file(".wh.")]], "names nothing", ".wh.")
no("of the directory itself", [[file("a/b")], [file("a/.wh..")]], "names nothing", "a/.wh..")
no("of the parent", [[file("a/b")], [file("a/.wh...")]], "names nothing", "a/.wh...")
no("of the parent, at the top", [[file(".wh...")]], "names nothing", ".wh...")
no("of the root, at the top", [[file("a")], [file(".wh..")]], "names nothing", ".wh..")
no("climbing", [[file(f"{UP}/.wh.file")]], "`..`", f"{UP}/.wh.file")
no("below a whiteout", [[file(".wh.a/b")]], "below a whiteout", ".wh.a/b")
no("below an opaque mark", [[file("a/.wh..wh..opq/b")]], "below a whiteout", "a/.wh..wh..opq/b")
no("PAX path", [[pax({"path": f"{UP}/.wh.file"}) + file("x")]], "`..`", f"{UP}/.wh.file")
yes("through a link out", [[symlink("l", CANARY)], [file("l/.wh.file")]], LINK)
yes("through a link up", [[symlink("l", UP)], [file("l/.wh.file")]], {"l": f"l:{UP}"})
yes("through a link, same layer", [[symlink("l", CANARY), file("l/.wh.secret")]], LINK)
yes("of a link out", [[symlink("l", CANARY)], [file(".wh.l")]], {})
yes(
    "of a link to a directory of the image",
    [[directory("d"), file("d/a"), symlink("l", "d")], [file(".wh.l")]],
    {"d": "d", "d/a": "f:data"},
)
yes("of a whole directory", [[file("d/e/a"), symlink("d/l", CANARY)], [file(".wh.d")]], {})
yes("absolute", [[file("a")], [file("/.wh.a")]], {})
yes("of its own layer's file", [[file("a", b"1")], [file("a", b"2"), file(".wh.a")]], {"a": "f:2"})
yes("before its own layer's file", [[file("a", b"1")], [file(".wh.a"), file("a", b"2")]], {"a": "f:2"})
yes("as a link", [[file("a")], [symlink(".wh.a", CANARY)]], {})
yes("as a directory", [[file("a")], [directory(".wh.a")]], {})
yes("as a hard link", [[file("a"), file("b")], [hardlink(".wh.a", "b")]], {"b": "f:data"})
yes("of what is not there", [[file("a/b/.wh.c")]], {})
yes("of a whiteout", [[file("a")], [file(".wh..wh.a")]], {"a": "f:data"})
yes("below a file", [[file("a")], [file("a/.wh.b")]], {"a": "f:data"})
yes("opaque through a link out", [[symlink("l", CANARY)], [file("l/.wh..wh..opq")]], LINK)
yes("opaque through a link up", [[symlink("l", UP)], [file("l/.wh..wh..opq")]], {"l": f"l:{UP}"})
yes("opaque at the root", [[file("a"), symlink("l", CANARY)], [file(".wh..wh..opq"), file("b")]], {"b": "f:data"})
yes(
    "opaque, then its own files",
    [[file("d/old")], [file("d/.wh..wh..opq"), file("d/new")]],
    {"d": "d", "d/new": "f:data"},
)
yes(
    "opaque after its own files",
    [[file("d/old")], [file("d/new"), file("d/.wh..wh..opq")]],
    {"d": "d", "d/new": "f:data"},
)
yes(
    "opaque over a link in the directory",
    [[directory("d"), symlink("d/l", CANARY)], [file("d/.wh..wh..opq")]],
    {"d": "d"},
)
yes(
    "aufs' own files",
    [[file(".wh..wh.aufs"), directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file("a")]],
    {"a": "f:data"},
    umoci_tree="keeps what belongs to aufs",
)
yes(
    "aufs' hard link store pointing out",
    [[symlink(".wh..wh.plnk", CANARY), file(".wh..wh.plnk/file", b"evil"), file("a")]],
    {"a": "f:data"},
    umoci_tree="keeps what belongs to aufs",
)
yes(
    "two thousand opaque marks on one directory",
    [[file("d/old")], [*(file(f"d/{n}", b"") for n in range(2000)), *(file("d/.wh..wh..opq") for _ in range(2000))]],
    {"d": "d", **{f"d/{n}": "f:" for n in range(2000)}},
    umoci="stands twice",
)

marks = Chapter("overlay mark")
no, yes = marks.no, marks.yes
no("device 0:0", [[file("x")], [member("x", b"3", device=(0, 0))]], "0:0", "x")
no(
    "device 0:0 in base 256",
    [[member("x", b"3", patch={329: b"\x80" + bytes(7), 337: b"\x80" + bytes(7)})]],
    "0:0",
    "x",
)
for space in ("user", "trusted"):
    for key, value in (("opaque", "y"), ("redirect", "/canary"), ("metacopy", ""), ("origin", "x"), ("whiteout", "")):
        no(
            f"{space}.overlay.{key}",
            [[pax({f"SCHILY.xattr.{space}.overlay.{key}": value}) + file("d")]],
            "belongs to overlay",
            "d",
        )
no(
    "user.overlay.overlay.opaque (escaped)",
    [[pax({"SCHILY.xattr.user.overlay.overlay.opaque": "y"}) + directory("d")]],
    "belongs to overlay",
    "d",
)
yes(
    "in a LIBARCHIVE record, which OCI does not know",
    [[pax({"LIBARCHIVE.xattr.user.overlay.opaque": "eQ=="}) + directory("d")]],
    {"d": ("d", {"xattrs": {}})},
)

special = Chapter("device or mode")
no, yes = special.no, special.yes
yes("character device", [[member("null", b"3", device=(1, 3), mode=0o666)]], {"null": ("c:1,3", {"mode": 0o666})})
yes("the disk", [[member("sda", b"4", device=(8, 0), mode=0o666)]], {"sda": ("b:8,0", {"mode": 0o666})})
yes(
    "/dev/mem",
    [[directory("dev"), member("dev/mem", b"3", device=(1, 1), mode=0o666)]],
    {"dev": "d", "dev/mem": ("c:1,1", {"mode": 0o666})},
)
yes("device over a link out", [[symlink("l", f"{CANARY}/file"), member("l", b"3", device=(1, 3))]], {"l": "c:1,3"})
yes("file over a device is not written into it", [[member("n", b"3", device=(1, 3)), file("n", b"x")]], {"n": "f:x"})
yes("file over a fifo does not wait", [[member("f", b"6")], [file("f", b"x")]], {"f": "f:x"})
yes("directory over a fifo", [[member("f", b"6")], [directory("f")]], {"f": "d"})
yes("fifo over a link out", [[symlink("l", f"{CANARY}/file"), member("l", b"6")]], {"l": "p"})
no("device number too large", [[member("x", b"3", device=(4096, 1))]], "cannot exist", "x")
no("device number negative", [[member("x", b"3", patch={329: b"\xff" * 8})]], "negative", "x")
no("device with data", [[member("x", b"3", b"data", device=(1, 3))]], "bytes of data", "x")
no("fifo with data", [[member("x", b"6", b"data")]], "bytes of data", "x")
yes("set-user-id", [[member("su", data=b"x", mode=0o4755)]], {"su": ("f:x", {"mode": 0o4755, "uid": 0})})
yes(
    "set-user-id kept from what it replaces",
    [[member("su", data=b"x", mode=0o4755)], [file("su", b"y")]],
    {"su": ("f:y", {"mode": 0o644})},
)
yes(
    "set-group-id directory",
    [[directory("d", mode=0o2777), file("d/a")]],
    {"d": ("d", {"mode": 0o2777}), "d/a": "f:data"},
)
yes("mode with type bits", [[member("a", mode=0o100644)]], {"a": ("f:", {"mode": 0o644})})
yes(
    "mode 000 directory with content",
    [[directory("d", mode=0), file("d/a")]],
    {"d": ("d", {"mode": 0}), "d/a": "f:data"},
)
no("mode negative", [[member("a", patch={100: b"\xff" * 8})]], "negative", "a")
no("mode not octal", [[member("a", patch={100: b"0000998\0"})]], "octal", "a")
no("contiguous files of another maker", [[member("a", b"V")]], "not known", "a")
no("multi-volume rest", [[member("a", b"M", b"data")]], "not known", "a")
no("GNU directory dump", [[member("a", b"D", b"Yfile\0\0")]], "not known", "a")
no("GNU old long-name member", [[member("a", b"N", b"Rename a to ../../canary/x\n")]], "not known", "a")

attributes = Chapter("attribute")
no, yes = attributes.no, attributes.yes
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0)
yes(
    "file capability",
    [[pax({"SCHILY.xattr.security.capability": CAPABILITY}) + member("ping", data=b"x", mode=0o755)]],
    {"ping": ("f:x", {"xattrs": {"security.capability": CAPABILITY}})},
)
yes(
    "capability is not kept by what replaces it",
    [[pax({"SCHILY.xattr.security.capability": CAPABILITY}) + file("ping", b"x")], [file("ping", b"y")]],
    {"ping": ("f:y", {"xattrs": {}})},
)
yes(
    "through a link out",
    [[symlink("l", CANARY), pax({"SCHILY.xattr.user.evil": "1"}) + directory("l/dir")]],
    {**LINK, "canary": "d", "canary/dir": ("d", {"xattrs": {"user.evil": b"1"}})},
    "CVE-2021-31566",
)
no(
    "capability that the kernel refuses",
    [[pax({"SCHILY.xattr.security.capability": "evil"}) + file("a")]],
    "could not be set",
    "a",
)
no("sixty-five attributes", [[pax({f"SCHILY.xattr.user.{n}": "" for n in range(65)}) + file("a")]], "at most 64", "a")
no(
    "an attribute with a name of 5,000 bytes",
    [[pax({"SCHILY.xattr.user." + "n" * 5000: "x"}) + file("a")]],
    "could not be set",
    "a",
    "CVE-2023-39804",
)
no(
    "a value larger than the kernel's",
    [[pax({"SCHILY.xattr.user.a": "x" * 70_000}) + file("a")]],
    "could not be set",
    "a",
)
no("an attribute without a name", [[pax({"SCHILY.xattr.": "x"}) + file("a")]], "could not be set", "a")
no(
    "a value of 70,000 bytes under a name that is not UTF-8",
    [[pax({"SCHILY.xattr.user.\udcff": "x" * 70_000}) + file("a")]],
    "could not be set",
    "a",
)
no("a global attribute", [[pax({"SCHILY.xattr.user.a": "b"}, b"g") + file("a")]], "global header", "PaxHeaders/x")

owners = Chapter("owner or time")
no, yes = owners.no, owners.yes
ID = "CVE-2024-40635"
no("user 2³²", [[pax({"uid": "4294967296"}) + file("a")]], "user id", "a", ID)
no("user 2³²−1 (chown's 'unchanged')", [[pax({"uid": "4294967295"}) + file("a")]], "user id", "a", ID)
no("user 2⁶⁴", [[pax({"uid": "18446744073709551616"}) + file("a")]], "user id", "a", ID)
no("user −1", [[pax({"uid": "-1"}) + file("a")]], "user id", "a", ID)
no("user 2³² in base 256", [[member("a", patch={108: b"\x80\0\0\x01\0\0\0\0"})]], "user id", "a", ID)
no("user −1 in base 256", [[member("a", patch={108: b"\xff" * 8})]], "negative", "a", ID)
no("group −2 in base 256", [[member("a", patch={116: b"\xff" * 7 + b"\xfe"})]], "negative", "a", ID)
no("group as words", [[pax({"gid": "root"}) + file("a")]], "group id", "a")
no("user of 5,000 digits", [[pax({"uid": "9" * 5000}) + file("a")]], "user id", "a")
yes(
    "owners as names only",
    [
        [
            pax({"uname": "root", "gname": "root", "uid": "1000", "gid": "7"})
            + member("a", patch={265: b"root", 297: b"root"})
        ]
    ],
    {"a": ("f:", {"uid": 1000})},
)
no("time far away", [[pax({"mtime": "99999999999999"}) + file("a")]], "time", "a")
no("time of 4,000 digits", [[pax({"mtime": "9" * 4000}) + file("a")]], "time", "a")
no("time as an exponent", [[pax({"mtime": "1e9"}) + file("a")]], "time", "a")
no("time NaN", [[pax({"mtime": "nan"}) + file("a")]], "time", "a")
no("time in base 256, absurd", [[member("a", patch={136: b"\x80" + b"\x7f" * 11})]], "time", "a", "CVE-2022-48303")
yes("time before 1970", [[pax({"mtime": "-1.5"}) + file("a")]], {"a": ("f:data", {"mtime": -1_500_000_000})})
