"""COPY on real directories: what goes where, from contexts and from stages."""

import os
import stat
from pathlib import Path

import pytest

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.copying import CopyReport, copy_into
from metalor_lang.build.placing import CopyError
from metalor_lang.build.sources import SourceError
from metalor_lang.errors import MetalorError
from metalor_lang.kernel.paths import Root
from metalor_lang.plan.graph import CopyFiles, CopySource
from tests.support.copytrees import plant, read

pytestmark = pytest.mark.integration

EPOCH = 315532800


def words(text: str) -> list[CopySource]:
    """Bare words as the checker gives them; a `"quoted"` one never globs."""
    return [
        CopySource(path=word.strip('"'), glob=not word.startswith('"') and any(c in word for c in "*?["))
        for word in text.split()
    ]


def copy(tmp_path: Path, line: str, *, stage: bool = False, **options: object) -> CopyReport:
    """Run `COPY line` from tmp_path/ctx into tmp_path/view."""
    *sources, destination = line.split()
    files = CopyFiles(
        stage=0 if stage else None,
        context="",
        sources=tuple(words(" ".join(sources))),
        destination=destination,
        workdir=str(options.pop("workdir", "/")),
        user=str(options.pop("user", "")),
        **options,  # type: ignore[arg-type]
    )
    with Root.at(tmp_path / "view") as view:
        if stage:
            with Root.at(tmp_path / "ctx") as source:
                return copy_into(view, files, epoch=EPOCH, source_view=source, title="build")
        with LocalContexts(tmp_path / "ctx/r.metalor") as contexts:
            contexts.content(files)
            return copy_into(view, files, epoch=EPOCH, contexts=contexts)


D = {"d/": "", "d/a": "A", "d/.h": "H", "d/s/": "", "d/s/b": "B"}
IN_D = {"{}a": "A", "{}.h": "H", "{}s/": "", "{}s/b": "B"}


def at(place: str) -> dict[str, str]:
    parents = {"/".join(place.split("/")[:n]) + "/": "" for n in range(1, place.count("/") + 1)}
    return parents | {key.format(place): text for key, text in IN_D.items()}


# context, view before, COPY line, options, view after
PLACES = {
    "dir under its name": (D, {}, "d /x/", {}, at("x/d/")),
    "dir becomes": (D, {}, "d /x", {}, at("x/")),
    "dir becomes, deep": (D, {}, "d /x/y/z", {}, at("x/y/z/")),
    "contents with slash": (D, {}, "d/ /x/", {}, at("x/")),
    "contents with dot": (D, {}, "d/. /x/", {}, at("x/")),
    "contents become": (D, {}, "d/ /x", {}, at("x/")),
    "contents into the root": (D, {"x": "1"}, "d/ /", {}, at("") | {"x": "1"}),
    "everything, here": (D, {}, ". .", {"workdir": "/w"}, at("w/d/")),
    "everything, into a directory": (D, {}, ". /w/", {}, at("w/d/")),
    "everything becomes": (D, {}, ". /w", {}, at("w/d/")),
    "dotted spelling": (D, {}, "./d/../d /x/", {}, at("x/d/")),
    "relative": (D, {}, "d e", {"workdir": "/w"}, at("w/e/")),
    "relative directory": (D, {}, "d e/", {"workdir": "/w"}, at("w/e/d/")),
    "relative with dots": (D, {"w/": ""}, "d ../e/", {"workdir": "/w"}, {"w/": ""} | at("e/d/")),
    "dots stop at the root": (D, {}, "d /../../e", {}, at("e/")),
    "destination ends in slash dot": (D, {}, "d /e/.", {}, at("e/d/")),
    "merge keeps what is there": (D, {"x/s/c": "C", "x/a": "old"}, "d /x", {}, at("x/") | {"x/s/c": "C"}),
    "merge under the name": (D, {"x/d/z": "Z"}, "d /x/", {}, at("x/d/") | {"x/d/z": "Z"}),
    "file becomes": ({"f": "F"}, {}, "f /x", {}, {"x": "F"}),
    "file becomes, deep": ({"a/f": "F"}, {}, "a/f /x/y", {}, {"x/": "", "x/y": "F"}),
    "file under its name": ({"a/f": "F"}, {}, "a/f /x/", {}, {"x/": "", "x/f": "F"}),
    "file to dot": ({"f": "F"}, {}, "f .", {"workdir": "/w"}, {"w/": "", "w/f": "F"}),
    "file replaces a file": ({"f": "F"}, {"x": "old and longer"}, "f /x", {}, {"x": "F"}),
    "file replaces a link": ({"f": "F"}, {"x": "-> y", "y": "Y"}, "f /x", {}, {"x": "F", "y": "Y"}),
    "link replaces a link to a directory": (
        {"d/bin": "-> m"},
        {"bin": "-> n", "n/": "", "m/": ""},
        "d/ /",
        {},
        {"bin": "-> m", "n/": "", "m/": ""},
    ),
    "file replaces a dangling link": ({"f": "F"}, {"x": "-> /gone"}, "f /x", {}, {"x": "F"}),
    "two files": ({"f": "F", "g": "G"}, {}, "f g /x/", {}, {"x/": "", "x/f": "F", "x/g": "G"}),
    "file and contents": ({"f": "F", "d/g": "G"}, {}, "f d/ /x/", {}, {"x/": "", "x/f": "F", "x/g": "G"}),
    "two directories merge": (
        {"a/s/f": "F", "b/s/g": "G"},
        {},
        "a/ b/ /x/",
        {},
        {"x/": "", "x/s/": "", "x/s/f": "F", "x/s/g": "G"},
    ),
    "glob": ({"a.c": "1", ".b.c": "2", "x.h": "3"}, {}, "*.c /x/", {}, {"x/": "", "x/a.c": "1", "x/.b.c": "2"}),
    "glob of one character": ({"a1": "1", "a22": "2"}, {}, "a? /x/", {}, {"x/": "", "x/a1": "1"}),
    "glob of a set": ({"a1": "1", "b1": "2", "c1": "3"}, {}, "[a-b]1 /x/", {}, {"x/": "", "x/a1": "1", "x/b1": "2"}),
    "glob stays in one component": ({"a/x.c": "1", "y.c": "2"}, {}, "*.c /x/", {}, {"x/": "", "x/y.c": "2"}),
    "glob in a parent": ({"a/f": "1", "b/g": "2"}, {}, "*/f /x/", {}, {"x/": "", "x/f": "1"}),
    "glob of directories": (
        {"p1/f": "1", "p2/g": "2"},
        {},
        "p* /x/",
        {},
        {"x/": "", "x/p1/": "", "x/p1/f": "1", "x/p2/": "", "x/p2/g": "2"},
    ),
    "glob of contents": ({"p1/f": "1", "p2/g": "2", "p3": "3"}, {}, "p*/ /x/", {}, {"x/": "", "x/f": "1", "x/g": "2"}),
    "quoted star": ({"*": "star", "a": "A"}, {}, '"*" /x/', {}, {"x/": "", "x/*": "star"}),
    "links inside are links": (
        {"d/l": "-> a", "d/a": "A", "d/up": "-> ../..", "d/abs": "-> /etc"},
        {},
        "d /x",
        {},
        {"x/": "", "x/l": "-> a", "x/a": "A", "x/up": "-> ../..", "x/abs": "-> /etc"},
    ),
    "a named link is followed": ({"l": "-> d/a", "d/a": "A"}, {}, "l /x/", {}, {"x/": "", "x/l": "A"}),
    "a named link to a directory": ({"l": "-> d", "d/a": "A"}, {}, "l /x/", {}, {"x/": "", "x/l/": "", "x/l/a": "A"}),
    "a path through a link": ({"l": "-> d", "d/a": "A"}, {}, "l/a /x/", {}, {"x/": "", "x/a": "A"}),
    "link replaces a file": ({"d/l": "-> a"}, {"x/l": "L"}, "d/ /x/", {}, {"x/": "", "x/l": "-> a"}),
    "through a link to a directory": (
        {"r/bin/sh": "S"},
        {"usr/bin/ls": "L", "bin": "-> usr/bin"},
        "r/ /",
        {},
        {"usr/": "", "usr/bin/": "", "usr/bin/ls": "L", "usr/bin/sh": "S", "bin": "-> usr/bin"},
    ),
    "through an absolute link": (
        {"r/bin/sh": "S"},
        {"usr/bin/": "", "bin": "-> /usr/bin"},
        "r/ /",
        {},
        {"usr/": "", "usr/bin/": "", "usr/bin/sh": "S", "bin": "-> /usr/bin"},
    ),
    "becomes through a link": ({"d/a": "A"}, {"l": "-> m", "m/": ""}, "d /l", {}, {"l": "-> m", "m/": "", "m/a": "A"}),
    "link in the destination": ({"f": "F"}, {"l": "-> m", "m/": ""}, "f /l/", {}, {"l": "-> m", "m/": "", "m/f": "F"}),
    "climbing link in the destination": (
        {"f": "F"},
        {"a/l": "-> ../../../m"},
        "f /a/l/",
        {},
        {"a/": "", "a/l": "-> ../../../m", "m/": "", "m/f": "F"},
    ),
    "dangling link in the destination": (
        {"f": "F"},
        {"l": "-> /m/n"},
        "f /l/",
        {},
        {"l": "-> /m/n", "m/": "", "m/n/": "", "m/n/f": "F"},
    ),
    "empty directory": ({"d/": ""}, {}, "d /x/", {}, {"x/": "", "x/d/": ""}),
    "exclude": (D, {}, "d /x", {"excludes": (".h", "s")}, {"x/": "", "x/a": "A"}),
    "exclude a glob": (D | {"d/c.md": "C"}, {}, ". /x", {"excludes": ("*.md",)}, at("x/d/")),
    "exclude, rooted": (
        {"d/a": "1", "d/s/a": "2"},
        {},
        "d /x",
        {"excludes": ("/a",)},
        {"x/": "", "x/s/": "", "x/s/a": "2"},
    ),
    "exclude, except": ({"d/a": "1", "d/b": "2"}, {}, "d /x", {"excludes": ("*", "!b")}, {"x/": "", "x/b": "2"}),
    "exclude from a glob": ({"a.c": "1", "b.c": "2"}, {}, "*.c /x/", {"excludes": ("b.*",)}, {"x/": "", "x/a.c": "1"}),
    "optional and absent": ({}, {"y": "Y"}, "gone /x/", {"optional": True}, {"y": "Y"}),
    "optional, one there": ({"f": "F"}, {}, "gone f /x/", {"optional": True}, {"x/": "", "x/f": "F"}),
    "optional glob": ({"f": "F"}, {}, "g* /x/", {"optional": True}, {}),
    "ignored": (
        D | {".metalorignore": "*.o\n/d/s\n!keep.o\n", "d/x.o": "", "d/keep.o": "K"},
        {},
        "d /x",
        {},
        {"x/": "", "x/a": "A", "x/.h": "H", "x/keep.o": "K"},
    ),
    "recipe, lock and rules are left out": (
        {"r.metalor": "", "r.metalor.lock": "", ".metalorignore": "", "f": "F", "s/r.metalor": "mine"},
        {},
        ". /x",
        {},
        {"x/": "", "x/f": "F", "x/s/": "", "x/s/r.metalor": "mine"},
    ),
    "recipe named": (
        {"r.metalor": "R", ".metalorignore": "I"},
        {},
        "r.metalor .metalorignore /x/",
        {},
        {"x/": "", "x/r.metalor": "R", "x/.metalorignore": "I"},
    ),
    "odd names": (
        {"d/a b\n": "1", "d/-x": "2", "d/é": "3"},
        {},
        "d /x",
        {},
        {"x/": "", "x/a b\n": "1", "x/-x": "2", "x/é": "3"},
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_places(tmp_path, name):
    context, before, line, options, after = PLACES[name]
    plant(tmp_path / "ctx", context)
    plant(tmp_path / "view", before)
    copy(tmp_path, line, **options)
    assert read(tmp_path / "view") == after


# context, view before, COPY line, options, part of the message, part of the help
REFUSED = {
    "file onto a directory": ({"f": "F"}, {"x/": ""}, "f /x", {}, "`/x` is a directory in the image", "`/x/`"),
    "file onto a directory, deeper": (
        {"d/f": "F"},
        {"x/f/": ""},
        "d /x",
        {},
        "`d/f` is a file, and `/x/f` is a directory",
        "",
    ),
    "file onto a link to a directory": (
        {"f": "F"},
        {"bin": "-> usr/bin", "usr/bin/sh": "S"},
        "f /bin",
        {},
        "`f` is a file, and `/bin` is a link to a directory in the image",
        "write `/bin/` to put it into the directory",
    ),
    "file onto a link to a directory, deeper": (
        {"d/bin": "F"},
        {"bin": "-> /usr/bin", "usr/bin/sh": "S"},
        "d/ /",
        {},
        "`d/bin` is a file, and `/bin` is a link to a directory",
        "rename",
    ),
    "directory onto a file": (
        {"d/": ""},
        {"x": "X"},
        "d /x",
        {},
        "`d` is a directory, and `/x` in the image is not",
        "/`",
    ),
    "directory onto a link to a file": (
        {"d/": ""},
        {"x": "-> y", "y": "Y"},
        "d /x",
        {},
        "`/x` in the image is not",
        "/`",
    ),
    "directory onto a dangling link": ({"d/": ""}, {"x": "-> y"}, "d /x", {}, "`/x` in the image is not", "/`"),
    "link onto a directory": ({"d/l": "-> a"}, {"x/l/": ""}, "d/ /x/", {}, "`/x/l` is a directory", ""),
    "destination is a file": ({"f": "F"}, {"x": "X"}, "f /x/", {}, "`/x` is a file in the image", "another"),
    "destination goes through a file": (
        {"f": "F"},
        {"x": "X"},
        "f /x/y/z",
        {},
        "`/x` is a file in the image",
        "another",
    ),
    "destination goes in a loop": ({"f": "F"}, {"l": "-> m", "m": "-> l"}, "f /l/", {}, "a link in a loop", ""),
    "two on one path": (
        {"a/f": "1", "b/f": "2"},
        {},
        "a/f b/f /x/",
        {},
        "`a/f` and `b/f` both land on `/x/f`",
        "later",
    ),
    "two on one path, deeper": ({"a/s/f": "1", "b/s/f": "2"}, {}, "a/ b/ /x/", {}, "`a/s/f` and `b/s/f` both", ""),
    "the same twice": ({"f": "1"}, {}, "f f /x/", {}, "`f` and `f` both land", ""),
    "file and directory on one path": ({"a/n": "1", "b/n/": ""}, {}, "a/ b/ /x/", {}, "both land on `/x/n`", ""),
    "two on one path through a link": (
        {"r/bin/sh": "1", "r/usr/bin/sh": "2"},
        {"usr/bin/": "", "bin": "-> usr/bin"},
        "r/ /",
        {},
        "`r/bin/sh` and `r/usr/bin/sh` both land on `/usr/bin/sh`",
        "",
    ),
    "two become one": ({"f": "F", "g": "G"}, {}, "f g /x", {}, "2 sources cannot become", "`/x/`"),
    "absent": ({"site/": ""}, {}, "siet /x/", {}, "there is no `siet` in the context", "did you mean `site`?"),
    "absent, deeper": ({"d/index.html": ""}, {}, "d/index.htm /x/", {}, "there is no `d/index.htm`", "`d/index.html`"),
    "ignored": (
        {".metalorignore": "# no\n*.log\n", "a.log": ""},
        {},
        "a.log /x/",
        {},
        "ignored by line 2 of .metalorignore",
        "",
    ),
    "parent ignored": ({".metalorignore": "out\n", "out/f": ""}, {}, "out/f /x/", {}, "ignored by line 1 of", ""),
    "link to ignored": (
        {".metalorignore": "d\n", "d/f": "", "l": "-> d/f"},
        {},
        "l /x/",
        {},
        "ignored by line 1 of",
        "",
    ),
    "glob of ignored": (
        {".metalorignore": "*.log\n", "a.log": ""},
        {},
        "*.log /x/",
        {},
        "`a.log` is ignored by line 1",
        "",
    ),
    "empty glob": ({"f": ""}, {}, "*.c /x/", {}, "nothing in the context matches `*.c`", ""),
    "recipe in a glob only": ({"r.metalor": ""}, {}, "*.metalor /x/", {}, "nothing in the context matches", ""),
    "climbs out": ({"f": ""}, {}, "../f /x/", {}, "lies outside the context", ""),
    "climbs out inside": ({"d/": ""}, {}, "d/../../f /x/", {}, "lies outside the context", ""),
    "absolute": ({"f": ""}, {}, "/etc/passwd /x/", {}, "lies outside the context", ""),
    "link out": ({"l": "-> /etc/passwd"}, {}, "l /x/", {}, "`l` is a link that leaves the context", ""),
    "link out in the middle": ({"l": "-> ../.."}, {}, "l/x /x/", {}, "`l` is a link that leaves the context", ""),
    "link out by a glob": ({"l1": "-> /etc/passwd"}, {}, "l* /x/", {}, "`l1` is a link that leaves the context", ""),
    "loop": ({"l": "-> l"}, {}, "l /x/", {}, "a link in a loop", ""),
    "slash after a file": ({"f": "F"}, {}, "f/ /x/", {}, "`f` in the context is not a directory", "`f`"),
    "through a file": ({"f": "F"}, {}, "f/g /x/", {}, "`f` in the context is not a directory", ""),
    "all excluded": ({"f": "F"}, {}, "f /x/", {"excludes": ("f",)}, "excluded by --exclude=f", ""),
    "dockerignore": (
        {".dockerignore": "", "d/": ""},
        {},
        "d /x/",
        {},
        "a `.dockerignore` and no `.metalorignore`",
        "may be empty",
    ),
    "unknown owner": ({"f": "F"}, {}, "f /x/", {"chown": "web"}, "no user `web`", "number"),
    "unknown user": ({"f": "F"}, {}, "f /x/", {"user": "web"}, "no user `web`", "number"),
    "bad mode": ({"f": "F"}, {}, "f /x/", {"chmod": "9"}, "`9` is not a mode", "644"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_nothing_is_written(tmp_path, name):
    context, before, line, options, message, help = REFUSED[name]
    plant(tmp_path / "ctx", context)
    view = plant(tmp_path / "view", before)
    unchanged = read(view, times=True)
    with pytest.raises(MetalorError) as caught:
        copy(tmp_path, line, **options)
    assert message in caught.value.message
    assert help in caught.value.help
    assert read(view, times=True) == unchanged


PASSWD = {"etc/passwd": "app:x:1000:1001::/:\n", "etc/group": "app:x:1001:\nweb:x:33:\n"}
M = {"d/": "700", "d/x": "700|X", "d/f": "600|F", "d/s": "4755|S", "d/l": "-> f"}

# options, the copied part with modes and owners
DRESS = {
    "modes are normalised": ({}, {"d/": "", "d/x": "755|X", "d/f": "F", "d/s": "755|S", "d/l": "-> f"}),
    "user": (
        {"user": "app"},
        {
            "d/": " @1000:1001",
            "d/x": "755|X @1000:1001",
            "d/f": "F @1000:1001",
            "d/s": "755|S @1000:1001",
            "d/l": "-> f @1000:1001",
        },
    ),
    "number as user": (
        {"user": "5"},
        {"d/": " @5:0", "d/x": "755|X @5:0", "d/f": "F @5:0", "d/s": "755|S @5:0", "d/l": "-> f @5:0"},
    ),
    "owner": (
        {"user": "app", "chown": "7:web"},
        {"d/": " @7:33", "d/x": "755|X @7:33", "d/f": "F @7:33", "d/s": "755|S @7:33", "d/l": "-> f @7:33"},
    ),
    "octal": ({"chmod": "640"}, {"d/": "750", "d/x": "640|X", "d/f": "640|F", "d/s": "640|S", "d/l": "-> f"}),
    "octal, setuid": (
        {"chmod": "4711"},
        {"d/": "4711", "d/x": "4711|X", "d/f": "4711|F", "d/s": "4711|S", "d/l": "-> f"},
    ),
    "symbolic": ({"chmod": "u=rwX,go="}, {"d/": "700", "d/x": "700|X", "d/f": "600|F", "d/s": "700|S", "d/l": "-> f"}),
    "symbolic, added": (
        {"chmod": "g+w,o-r"},
        {"d/": "771", "d/x": "771|X", "d/f": "660|F", "d/s": "771|S", "d/l": "-> f"},
    ),
}


@pytest.mark.parametrize("name", DRESS)
def test_owners_modes_and_times_from_a_context(tmp_path, name):
    options, after = DRESS[name]
    plant(tmp_path / "ctx", M)
    plant(tmp_path / "view", PASSWD)
    copy(tmp_path, "d /n/m/", **options)
    owner = next((text[text.index(" @") :] for text in after.values() if " @" in text), "")
    found = read(tmp_path / "view/n", modes=True, owners=True)
    assert found == {"m/": owner} | {f"m/{path}": text for path, text in after.items()}
    times = {info.st_mtime_ns for info in map(os.lstat, (tmp_path / "view/n", *(tmp_path / "view/n").rglob("*")))}
    assert times == {EPOCH * 10**9}


def test_an_existing_directory_keeps_its_owner_and_mode(tmp_path):
    plant(tmp_path / "ctx", {"r/tmp/f": "F"})
    view = plant(tmp_path / "view", {"tmp/": "1777"})
    os.chown(view / "tmp", 3, 4)
    copy(tmp_path, "r/ /", chown="5:6", chmod="600")
    assert read(view, modes=True, owners=True) == {"tmp/": "1777 @3:4", "tmp/f": "600|F @5:6"}


# --- from a stage -----------------------------------------------------------------------------------------------------


def stage(tmp_path: Path) -> Path:
    root = plant(tmp_path / "ctx", {"o/": "2750", "o/s": "755|S", "o/t/": "1777", "o/l": "-> s", "o/h": "H"})
    os.link(root / "o/h", root / "o/t/h")
    os.mkfifo(root / "o/p", 0o640)
    os.mknod(root / "o/c", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (root / "o/c").chmod(0o666)
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.chown(path, 10 + number, 20 + number, follow_symlinks=False)
    (root / "o/s").chmod(0o4755)
    (root / "o").chmod(0o2750)
    (root / "o/t").chmod(0o1777)
    os.setxattr(root / "o/s", "user.note", b"kept")
    os.setxattr(root / "o/s", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.setxattr(root / "o/t", "user.dir", b"too")
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, ns=(5, 10**18 + number), follow_symlinks=False)
    return root


@pytest.mark.parametrize(("line", "place"), [("/o /x", "x"), ("o /x/", "x/o"), ("/o/ /x/", "x"), ("o/. /y/x", "y/x")])
def test_a_stage_keeps_everything(tmp_path, line, place):
    root = stage(tmp_path)
    view = plant(tmp_path / "view", {})
    copy(tmp_path, line, stage=True)
    every = {"owners": True, "modes": True, "times": True}
    assert read(view / place, **every) == read(root / "o", **every)
    top, was = (view / place).lstat(), (root / "o").lstat()
    assert (top.st_mode, top.st_uid, top.st_gid, top.st_mtime_ns) == (
        was.st_mode,
        was.st_uid,
        was.st_gid,
        was.st_mtime_ns,
    )
    assert (view / place / "h").stat().st_ino == (view / place / "t/h").stat().st_ino
    assert os.getxattr(view / place / "s", "user.note") == b"kept"
    assert os.getxattr(view / place / "t", "user.dir") == b"too"
    capability = os.getxattr(view / place / "s", "security.capability")
    assert capability == os.getxattr(root / "o/s", "security.capability")


def test_owner_and_mode_beat_what_a_stage_keeps(tmp_path):
    stage(tmp_path)
    view = plant(tmp_path / "view", PASSWD)
    copy(tmp_path, "/o/s /o/l /x/", stage=True, chown="app", chmod="u+x,go=")
    assert read(view / "x", modes=True, owners=True) == {"l": "4700|S @1000:1001", "s": "4700|S @1000:1001"}


def test_a_stage_directory_dresses_the_one_it_lands_on(tmp_path):
    source = plant(tmp_path / "ctx", {"srv/": "700", "srv/f": "F"})
    os.chown(source / "srv", 5, 6)
    view = plant(tmp_path / "view", {"srv/": "", "other/": ""})
    copy(tmp_path, "/srv /srv", stage=True)
    copy(tmp_path, "/srv/ /other/", stage=True)
    assert read(view, modes=True, owners=True) == {
        "srv/": "700 @5:6",
        "srv/f": "F",
        "other/": "",
        "other/f": "F",
    }


def test_links_of_a_stage_stay_inside_it(tmp_path):
    plant(tmp_path / "ctx", {"etc/hostname": "box", "l": "-> /etc", "up": "-> ../../../../etc/hostname"})
    view = plant(tmp_path / "view", {})
    copy(tmp_path, "/l/hostname /up /x/", stage=True)
    assert read(view) == {"x/": "", "x/hostname": "box", "x/up": "box"}


def test_a_whole_stage(tmp_path):
    plant(tmp_path / "ctx", {"etc/a": "A", "b": "B"})
    view = plant(tmp_path / "view", {"etc/z": "Z"})
    assert copy(tmp_path, "/ /", stage=True) == CopyReport(files=2, bytes=2)
    assert read(view) == {"etc/": "", "etc/z": "Z", "etc/a": "A", "b": "B"}


@pytest.mark.parametrize(
    ("line", "message", "help"),
    [
        ("/etc/hostnam /x", "there is no `etc/hostnam` in the stage `build`", "`/etc/hostname`"),
        ("/*.c /x/", "nothing in the stage `build` matches `/*.c`", ""),
        ("../x /x", "climbs out of the stage `build`", ""),
    ],
)
def test_a_stage_that_has_it_not(tmp_path, line, message, help):
    plant(tmp_path / "ctx", {"etc/hostname": "box"})
    plant(tmp_path / "view", {})
    with pytest.raises(SourceError) as caught:
        copy(tmp_path, line, stage=True)
    assert message in caught.value.message
    assert help in caught.value.help


# --- what a context must not do ---------------------------------------------------------------------------------------


def test_special_files_are_named(tmp_path):
    context = plant(tmp_path / "ctx", {"d/f": ""})
    plant(tmp_path / "view", {})
    os.mkfifo(context / "d/pipe")
    with pytest.raises(SourceError, match="`d/pipe` is a fifo"):
        copy(tmp_path, "d /x/")
    copy(tmp_path, "d /x/", excludes=("pipe",))


@pytest.mark.parametrize("how", ["written", "gone", "replaced by a link", "directory replaced by a link", "same size"])
def test_a_change_between_digest_and_copy_is_seen(tmp_path, how):
    context = plant(tmp_path / "ctx", {"d/f": "old", "e/f": "secret"})
    view = plant(tmp_path / "view", {})
    files = CopyFiles(
        stage=None, context="", sources=(CopySource(path="d", glob=False),), destination="/x", workdir="/", user=""
    )
    with LocalContexts(context / "r.metalor") as contexts, Root.at(view) as root:
        contexts.content(files)
        match how:
            case "written":
                (context / "d/f").write_text("newer")
            case "same size":
                (context / "d/f").write_text("new")
            case "gone":
                (context / "d/f").unlink()
            case "replaced by a link":
                (context / "d/f").unlink()
                (context / "d/f").symlink_to("../e/f")
            case _:
                (context / "d").rename(context / "was")
                (context / "d").symlink_to("e")
        with pytest.raises(SourceError, match="`d/f` changed while it was copied"):
            copy_into(root, files, epoch=EPOCH, contexts=contexts)


def test_an_unreadable_file_is_named(tmp_path):
    context = plant(tmp_path / "ctx", {"d/f": "000|F"})
    tmp_path.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for parent in tmp_path.parents[:-2]:
                parent.chmod(0o755)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            files = CopyFiles(
                stage=None,
                context="",
                sources=(CopySource(path="d", glob=False),),
                destination="/x",
                workdir="/",
                user="",
            )
            try:
                LocalContexts(context / "r.metalor").content(files)
            except SourceError as error:
                status = 0 if error.message == "`d/f` cannot be read: permission denied" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_attributes_of_a_context_are_left_behind(tmp_path):
    context = plant(tmp_path / "ctx", {"f": "F"})
    os.setxattr(context / "f", "user.mine", b"1")
    view = plant(tmp_path / "view", {})
    copy(tmp_path, "f /f")
    assert os.listxattr(view / "f") == []


def test_large_and_sparse_files(tmp_path):
    context = plant(tmp_path / "ctx", {})
    (context / "big").write_bytes(os.urandom(300_000))
    with open(context / "hole", "wb") as stream:
        stream.seek(50 << 20)
        stream.write(b"end")
    view = plant(tmp_path / "view", {})
    assert copy(tmp_path, "big hole /").bytes == 300_000 + (50 << 20) + 3
    assert (view / "big").read_bytes() == (context / "big").read_bytes()
    assert (view / "hole").read_bytes() == (context / "hole").read_bytes()
    assert (view / "hole").stat().st_blocks * 512 < 1 << 20


def test_a_failed_copy_names_the_place(tmp_path):
    plant(tmp_path / "ctx", {"f": "F"})
    view = plant(tmp_path / "view", {})
    with pytest.raises(CopyError, match="`/x` is a file"):
        plant(view, {"x": ""})
        copy(tmp_path, "f /x/y")
