"""Names that leave the destination, or want to."""

from tests.adversarial.corpus.model import CANARY, UP, Chapter
from tests.support.tars import directory, file, gnu_long, member, pax, symlink

chapter = Chapter("path")
no, yes = chapter.no, chapter.yes
ZIP = "CVE-2007-4559"

no("climbs with ..", [[file(f"{UP}/new")]], "`..`", f"{UP}/new", ZIP)
no("climbs over a file", [[file(f"{UP}/file", b"evil")]], "`..`", f"{UP}/file", ZIP)
no("climbs from inside", [[directory("a"), file(f"a/../{UP}/new")]], "`..`", f"a/../{UP}/new", ZIP)
no("climbs, absolute", [[file(f"/{UP}/new")]], "`..`", f"/{UP}/new", ZIP)
no(
    "climbs to a neighbour with the same prefix",
    [[file("../dest-other/file", b"x")]],
    "`..`",
    "../dest-other/file",
    ZIP,
)
no("climbs and returns", [[file("../dest/x")]], "`..`", "../dest/x", ZIP)
no(".. alone as a directory", [[directory("..", mode=0o777)]], "`..`", "..")
no(".. at the end, mode of the parent", [[directory("a"), directory("a/../..", mode=0o777)]], "`..`", "a/../..")
no(".. as a link", [[symlink("..", CANARY)]], "`..`", "..")
no(".. under a missing directory", [[file(f"nope/../{UP}/new")]], "`..`", f"nope/../{UP}/new")
no(".. with doubled slashes", [[file("..//..//..//..//canary//new")]], "`..`", "..//..//..//..//canary//new")
no("./.. mixed", [[file(f"./.././{UP}/new")]], "`..`", f"./.././{UP}/new")
no("prefix field climbs", [[member("canary/new", prefix=b"../../../../..")]], "`..`", "../../../../../canary/new")
no("name and prefix share the climb", [[member("../../canary/new", prefix=b"../../../..")]], "`..`", "canary/new")
no("PAX path climbs", [[pax({"path": f"{UP}/new"}) + file("good")]], "`..`", f"{UP}/new", "CVE-2020-10696")
no("GNU long name climbs", [[gnu_long(f"{UP}/new") + file("good")]], "`..`", f"{UP}/new", "CVE-2020-10696")
no(
    "long PAX path climbs at its end",
    [[pax({"path": "a/" * 60 + "../" * 70 + "canary/new"}) + file("good")]],
    "`..`",
    "canary/new",
)
no("empty name", [[member("")]], "path is empty", "(no name)")
no("name of slashes, as a file", [[file("///", b"")]], "ends like a directory", "///")
no("name of a dot, as a file", [[file(".")]], "root of the image", ".")
no("root as a link", [[symlink(".", CANARY), file("x")]], "root of the image", ".", "CVE-2021-29136")
no("root as a link, /.", [[symlink("/.", CANARY), file("x")]], "root of the image", "/.", "CVE-2021-29136")
no("root as a link, ./", [[symlink("./", CANARY), file("x")]], "root of the image", "./", "CVE-2021-29136")
no("root as a link, /", [[symlink("/", CANARY), file("x")]], "root of the image", "/", "CVE-2021-29136")
no(
    "root as a link in a second layer",
    [[directory("etc")], [symlink(".", "../dest-other"), file("file", b"evil")]],
    "root of the image",
    ".",
    "CVE-2021-29136",
)
no("root as a fifo", [[member(".", b"6")]], "root of the image", ".")
no("root as a device", [[member("/", b"3", device=(1, 3))]], "root of the image", "/")
no("component of 256 bytes", [[pax({"path": "x" * 256}) + file("x")]], "longer than 255", "xxxx")
no("path of 4,200 bytes", [[pax({"path": "x/" * 2100 + "x"}) + file("x")]], "at most 4095", "x/x/x")
no("path 300 deep", [[pax({"path": "x/" * 300 + "x"}) + file("x")]], "directories deep", "x/x/x")
no("below a file", [[file("a"), file("a/b")]], "does not fit", "a/b")
no("below a device", [[member("a", b"3", device=(1, 3)), file("a/b")]], "does not fit", "a/b")
no("below a fifo of a lower layer", [[member("a", b"6")], [file("a/b")]], "does not fit", "a/b")
no("NUL in a PAX path", [[pax({"path": b"a\0/../b"}) + file("a")]], "NUL", "PaxHeaders/x")
no("NUL in a GNU name", [[gnu_long(b"a\0" + UP.encode()) + file("c")]], "NUL", "@LongLink")
yes("absolute path", [[file(f"{CANARY}/new")]], {"canary": "d", "canary/new": "f:data"})
yes("absolute path over a file", [[file(f"{CANARY}/file", b"evil")]], {"canary": "d", "canary/file": "f:evil"})
yes("many leading slashes", [[file(f"///{CANARY}//new")]], {"canary": "d", "canary/new": "f:data"}, "CVE-2021-32804")
yes("dots without meaning", [[file("./a/././b")]], {"a": "d", "a/b": "f:data"})
yes("three dots", [[file(".../x")]], {"...": "d", ".../x": "f:data"})
yes("control characters in a name", [[file("a\n\x1b[2Jb")]], {"a\n\x1b[2Jb": "f:data"})
yes("bytes that are not UTF-8", [[file("\udcff\udcfe")]], {"\udcff\udcfe": "f:data"})
yes("a backslash is no slash", [[file("..\\..\\canary\\new")]], {"..\\..\\canary\\new": "f:data"}, "CVE-2021-37701")
no("slash at a file's end", [[file("d/", b"")]], "ends like a directory", "d/")
yes("slash at the end of an old file: a directory", [[member("d/", b"\0")]], {"d": "d"})
yes("PAX path wins over the header", [[pax({"path": "good"}) + file(f"{UP}/new")]], {"good": "f:data"})
yes("GNU name wins over the header", [[gnu_long("good") + file(f"{UP}/new")]], {"good": "f:data"})
yes("mode of the root", [[directory("./", mode=0o777)]], {})
yes(
    "names like options of tools",
    [[file("--checkpoint=1"), file("-rf")]],
    {"--checkpoint=1": "f:data", "-rf": "f:data"},
)
yes(
    "name of a temporary",
    [[file(".removing-1-0-x"), file("a/.tmp")]],
    {".removing-1-0-x": "f:data", "a": "d", "a/.tmp": "f:data"},
)
