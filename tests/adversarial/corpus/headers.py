"""Headers that two readers could take in two ways: PAX records, GNU members, numbers, sparse maps."""

from tests.adversarial.corpus.model import UP, Chapter
from tests.support.tars import END, directory, file, gnu_long, hardlink, member, pad, pax, record, symlink

chapter = Chapter("PAX or GNU header")
no, yes = chapter.no, chapter.yes
TWO = "CVE-2025-62518"
HIDDEN = file("hidden", b"evil")
LABEL = "PaxHeaders/x"


def raw_pax(body: bytes, type: bytes = b"x") -> bytes:
    return member(LABEL, type, body)


no(
    "size 0 in the header, more in PAX",
    [[pax({"size": "1000000"}) + member("a", size=0) + HIDDEN]],
    "ends inside its data",
    "a",
    TWO,
)
no("size in the header, 0 in PAX", [[pax({"size": "0"}) + member("a", data=HIDDEN) + file("b")]], "two sizes", "a", TWO)
no("two sizes", [[pax({"size": "1024"}) + file("a", b"x" * 512) + file("b")]], "two sizes", "a", TWO)
yes(
    "size 0 in the header, PAX covers the next header",
    [[pax({"size": "1024"}) + member("a", size=0) + HIDDEN + file("b")]],
    {"a": ("f:" + HIDDEN.decode("latin-1"), {}), "b": "f:data"},
    TWO,
)
no("size of a PAX number too long", [[pax({"size": "9" * 5000}) + file("a")]], "decimal", "a")
no("size negative in PAX", [[pax({"size": "-512"}) + file("a")]], "decimal", "a", "CVE-2025-8194")
no("size with a plus sign", [[pax({"size": "+4"}) + file("a")]], "decimal", "a")
no("size with an underscore", [[pax({"size": "1_0"}) + file("a", b"x" * 10)]], "decimal", "a")
no("size in other digits", [[pax({"size": "٤"}) + file("a")]], "decimal", "a")
no("size for a directory", [[pax({"size": "512"}) + directory("d") + HIDDEN]], "bytes of data", "d", TWO)
no("size for a symbolic link", [[member("l", b"2", size=512, link="x") + HIDDEN]], "bytes of data", "l", TWO)
no(
    "size for a hard link",
    [[file("x") + member("l", b"1", size=512, link="x") + HIDDEN]],
    "bytes of data",
    "l",
    "CVE-2016-5418",
)
no("size negative in base 256", [[member("a", patch={124: b"\xff" * 12})]], "negative", "a", "CVE-2025-8194")
no(
    "size −512 in base 256",
    [[file("z"), member("a", patch={124: b"\xff" * 10 + b"\xfe\x00"})]],
    "negative",
    "a",
    "CVE-2025-8194",
)
no("size not octal", [[member("a", patch={124: b"00000000009\0"})]], "octal", "a")
no("size with a minus sign", [[member("a", patch={124: b"-0000001000\0"})]], "octal", "a")
no("size past the end", [[member("a", size=1 << 30)]], "ends inside its data", "a")
no("size of 2⁶³ in base 256", [[member("a", patch={124: b"\x80\0\0\0\x80" + bytes(7)})]], "ends inside its data", "a")
no("checksum wrong", [[member("a", checksum=b"000000\0 ")]], "checksum", "a")
no("checksum of spaces", [[member("a", checksum=b" " * 8)]], "checksum", "a")
no("checksum in base 256", [[member("a", checksum=b"\x80" + bytes(7))]], "checksum", "a")
no("record without a length", [[raw_pax(b"path=evil\n") + file("a")]], "PAX record", LABEL)
no("record length too long", [[raw_pax(b"99 path=evil\n") + file("a")]], "PAX record", LABEL)
no(
    "record length zero (endless loop)",
    [[raw_pax(b"0 path=evil\n") + file("a")]],
    "PAX record",
    LABEL,
    "CVE-2019-20907",
)
no("record length negative", [[raw_pax(b"-9 path=evil\n") + file("a")]], "PAX record", LABEL, "CVE-2019-20907")
no("record length with a leading zero", [[raw_pax(b"013 path=evi\n") + file("a")]], "PAX record", LABEL)
no("record length of 20 digits", [[raw_pax(b"00000000000000000013 path=evil\n") + file("a")]], "PAX record", LABEL)
no("record ends in the next one", [[raw_pax(b"9 path=ev\n" + record("path", "x")) + file("a")]], "PAX record", LABEL)
no("record without a newline", [[raw_pax(b"12 path=evil") + file("a")]], "PAX record", LABEL)
no("record without =", [[raw_pax(b"7 path\n") + file("a")]], "PAX record", LABEL)
no("record with an empty key", [[raw_pax(b"7 =abc\n") + file("a")]], "PAX record", LABEL)
yes(
    "duplicate keys: the last one counts",
    [[raw_pax(record("path", f"{UP}/new") + record("path", "good")) + file("a")]],
    {"good": "f:data"},
)
no(
    "duplicate keys: the last one climbs",
    [[raw_pax(record("path", "good") + record("path", f"{UP}/new")) + file("a")]],
    "`..`",
    f"{UP}/new",
)
yes(
    "unknown records of vendors",
    [[pax({"VENDOR.thing": "x", "comment": "y", "realtime.any": "z", "security.any": "w"}) + file("a")]],
    {"a": "f:data"},
)
no("unknown critical record: character set", [[pax({"hdrcharset": "EBCDIC"}) + file("a")]], "character set", LABEL)
no(
    "unknown critical record: GNU.sparse of a later version",
    [[pax({"GNU.sparse.major": "2", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "4"}) + file("a")]],
    "sparse",
    "a",
)
no("PAX twice", [[pax({"path": "a"}) + pax({"path": "b"}) + file("c")]], "two extended headers", LABEL)
no("GNU name twice", [[gnu_long("a") + gnu_long("b") + file("c")]], "two extended headers", "@LongLink")
no("PAX and GNU names differ", [[pax({"path": "a"}) + gnu_long(f"{UP}/new") + file("c")]], "two values", "a", TWO)
no(
    "PAX and GNU targets differ",
    [[pax({"linkpath": "a"}) + gnu_long(f"{UP}/file", b"K") + symlink("c", "d")]],
    "two values",
    "a",
    TWO,
)
yes("PAX and GNU names agree", [[pax({"path": "a"}) + gnu_long("a") + file("c")]], {"a": "f:data"})
no("PAX at the end of the archive", [[pax({"path": "a"})]], "after an extended header", LABEL)
no("GNU name at the end of the archive", [[gnu_long("a")]], "after an extended header", "@LongLink")
no("PAX cut off", [raw_pax(record("path", "x" * 600))[:700]], "ends inside", LABEL)
no(
    "GNU name without its NUL",
    [[member("././@LongLink", b"L", b"name", magic=b"ustar  \0") + file("c")]],
    "without the NUL",
    "@LongLink",
    TWO,
)
no(
    "base 256 with more bits than some readers take",
    [[member("a", patch={100: b"\xc3\xbc" + bytes(6)})]],
    "too large",
    "a",
    TWO,
)
no("a number after a NUL", [[member("a", patch={100: b"\x00000644\0"})]], "starts with a NUL", "a", TWO)
no("star's word for its size", [[pax({"SCHILY.realsize": "0"}) + file("a")]], "only some readers obey", LABEL, TWO)
no("star's word for its type", [[pax({"SCHILY.filetype": "sparse"}) + file("a")]], "only some readers obey", LABEL, TWO)
no("padding cut off", [member("a", data=b"x" * 5)[:700]], "ends inside its last block", "a")
no(
    "GNU name of zero bytes",
    [[member("././@LongLink", b"L", b"\0", magic=b"ustar  \0") + file("c")]],
    "path is empty",
    "(no name)",
)
no("global path", [[pax({"path": f"{UP}/new"}, b"g") + file("a")]], "global header", LABEL)
no("global link target", [[pax({"linkpath": f"{UP}/file"}, b"g") + hardlink("a", "b")]], "global header", LABEL)
no("global size", [[pax({"size": "0"}, b"g") + file("a", HIDDEN)]], "global header", LABEL, TWO)
no("global owner", [[pax({"uid": "0"}, b"g") + file("a")]], "global header", LABEL)
no("global sparse map", [[pax({"GNU.sparse.map": "0,1"}, b"g") + file("a")]], "global header", LABEL)
yes(
    "global comment (git archive)",
    [[pax({"comment": "0" * 40}, b"g") + file("a")]],
    {"a": "f:data"},
    umoci="unknown typeflag",
)
yes(
    "signed checksum",
    [
        [
            member(
                "\udcff",
                checksum=b"%06o\0 " % (sum(member("\udcff")[:148]) + 256 + sum(member("\udcff")[156:512]) - 256),
            )
        ]
    ],
    {"\udcff": "f:"},
)
no("lone zero block, then more", [[file("a") + bytes(512) + file(f"{UP}/new")]], "lone zero block", "")
yes("members after the end are not read", [[file("a") + END + file(f"{UP}/new")]], {"a": "f:data"}, TWO)
no("old V7 directory with a climbing name", [[member(f"{UP}/new/", b"\0", magic=bytes(8))]], "`..`", f"{UP}/new/")
no(
    "prefix of a GNU header is not a path",
    [[member("../new", magic=b"ustar  \0", prefix=b"a/b")]],
    "name prefix",
    "../new",
    TWO,
)
no(
    "times in the place of a GNU header's prefix",
    [[member("a", magic=b"ustar  \0", prefix=b"00000000000\x0000000000000\0")]],
    "name prefix",
    "a",
    TWO,
)
no("a prefix in a V7 header", [[member("a", magic=bytes(8), prefix=b"../../..")]], "name prefix", "a", TWO)
no(
    "a number without meaning that stops other readers",
    [[member("a", patch={329: b"garbage\0"}), file("b")]],
    "octal",
    "a",
    TWO,
)
no("not a tar", [b"PK\x03\x04" + bytes(508) + bytes(1024)], "", "")
no("random bytes", [bytes((n * 7919) % 251 for n in range(2048))], "", "")

sparse = Chapter("sparse file")
no, yes = sparse.no, sparse.yes


def sparse_old(realsize: bytes | int, pairs: list[tuple[int, int]], data: bytes, extended: bytes = b"\0") -> bytes:
    patch = {386 + 24 * n: b"%011o\0%011o\0" % pair for n, pair in enumerate(pairs)}
    real = b"%011o\0" % realsize if isinstance(realsize, int) else realsize
    return member("sparse", b"S", data, magic=b"ustar  \0", patch=patch | {482: extended, 483: real})


def sparse_pax(more: dict[str, str], data: bytes = b"") -> bytes:
    return pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", **more}) + member("sparse", data=data)


no(
    "1 TiB in 1 KiB, GNU",
    [[sparse_old(b"\x80" + (1 << 40).to_bytes(11, "big"), [(0, 4)], b"data")]],
    "bytes of files",
    "sparse",
)
no(
    "1 TiB in 1 KiB, PAX",
    [[sparse_pax({"GNU.sparse.realsize": str(1 << 40)}, pad(b"1\n0\n4\n") + b"data")]],
    "bytes of files",
    "sparse",
)
no(
    "8 EiB, PAX 0.1",
    [[pax({"GNU.sparse.size": str(1 << 63), "GNU.sparse.map": "0,4"}) + file("a")]],
    "bytes of files",
    "a",
)
no(
    "a thousand of 1 GiB",
    [[*(sparse_old(1 << 30, [(0, 4)], b"data") for _ in range(1000))]],
    "bytes of files",
    "sparse",
)
no("regions overlap", [[sparse_old(100, [(0, 3), (1, 1)], b"data")]], "overlap", "sparse")
no("regions out of order", [[sparse_old(100, [(50, 2), (0, 2)], b"data")]], "overlap", "sparse")
no("region past the end", [[sparse_old(2, [(0, 4)], b"data")]], "does not fit", "sparse")
no(
    "offset and length overflow",
    [[pax({"GNU.sparse.size": "100", "GNU.sparse.map": f"{(1 << 64) - 4},4"}) + file("a")]],
    "does not fit",
    "a",
)
no("regions for other data", [[sparse_old(100, [(0, 2)], b"data")]], "does not fit", "sparse")
no("map cut off", [sparse_old(100, [(0, 4)], b"", b"\1")[:512]], "ends inside", "sparse")
no(
    "map that goes on for ever",
    [[sparse_pax({"GNU.sparse.realsize": "9"}, b"5\n" + b"1" * 510)]],
    "sparse map",
    "sparse",
    "CVE-2019-9923",
)
no("map of 99,999,999 regions", [[sparse_pax({"GNU.sparse.realsize": "9"}, pad(b"99999999\n"))]], "regions", "sparse")
no("map of words", [[sparse_pax({"GNU.sparse.realsize": "9"}, pad(b"1\nx\ny\n"))]], "decimal", "sparse")
no(
    "map negative",
    [[pax({"GNU.sparse.size": "9", "GNU.sparse.map": "-4,4"}) + file("a")]],
    "decimal",
    "a",
    "CVE-2025-8194",
)
no("map odd", [[pax({"GNU.sparse.size": "9", "GNU.sparse.map": "1,2,3"}) + file("a")]], "odd count", "a")
no(
    "map out of order, 0.0",
    [
        [
            raw_pax(
                record("GNU.sparse.size", "9") + record("GNU.sparse.numbytes", "4") + record("GNU.sparse.offset", "0")
            )
            + file("a")
        ]
    ],
    "out of order",
    LABEL,
)
no("without a real size", [[sparse_pax({}, pad(b"0\n"))]], "real size", "sparse", "CVE-2019-9923")
no(
    "name that climbs",
    [[sparse_pax({"GNU.sparse.realsize": "0", "GNU.sparse.name": f"{UP}/new"}, pad(b"0\n"))]],
    "`..`",
    f"{UP}/new",
)
no(
    "of a link",
    [[pax({"GNU.sparse.size": "9", "GNU.sparse.map": "0,0"}) + symlink("a", "b")]],
    "with a sparse map",
    "a",
)
no(
    "old sparse type in a POSIX header",
    [[member("sparse", b"S", b"data", patch={386: b"%011o\0%011o\0" % (0, 4), 483: b"%011o\0" % 4})]],
    "another format",
    "sparse",
    TWO,
)
no(
    "old sparse file with a PAX name",
    [[pax({"GNU.sparse.name": f"{UP}/new"}) + sparse_old(4, [(0, 4)], b"data")]],
    "another format",
    "sparse",
    TWO,
)
no(
    "plain file with a sparse map that some readers see",
    [[member("a", data=b"data", magic=b"ustar  \0", patch={386: b"%011o\0%011o\0" % (0, 4), 483: b"%011o\0" % 4096})]],
    "sparse map",
    "a",
    TWO,
)
no(
    "old sparse file with a PAX size",
    [[pax({"size": "4"}) + sparse_old(4, [(0, 4)], b"data")]],
    "another format",
    "sparse",
    TWO,
)
no(
    "PAX sparse file in a V7 header",
    [[pax({"GNU.sparse.size": "4", "GNU.sparse.map": "0,4"}) + member("z", data=b"data", magic=bytes(8))]],
    "another format",
    "z",
    TWO,
)
no(
    "sparse file with a GNU name",
    [[gnu_long("x") + pax({"GNU.sparse.size": "4", "GNU.sparse.map": "0,4", "GNU.sparse.name": "y"}) + file("z")]],
    "a PAX header and one of another format",
    "x",
    TWO,
)
yes(
    "64 MiB hole",
    [[sparse_old(64 << 20, [(0, 4)], b"data")]],
    {"sparse": ("f:", {"size": 64 << 20, "blocks": 64})},
    umoci="unknown typeflag",
)
