"""Codes of locks: E07xx, the file NAME.lock beside a recipe."""

from metalor_lang.diagnostics.codes.model import Code

LOCKS: tuple[Code, ...] = (
    Code(
        id="E0701",
        title="A lock cannot be read",
        why="The file `NAME.lock` beside a recipe is JSON of one shape, which `metalor lock` writes. It is no JSON"
        " any more, or something in it is not what may stand there: a digest that was cut short, a name that stands"
        " twice after a merge, a field that nobody knows. A lock is believed wholly or not at all. Take the file"
        " from version control, or remove it and run `metalor lock`.",
    ),
    Code(
        id="E0702",
        title="A lock holds the marks of a merge",
        why="Git could not merge two versions of the lock and left both sides in it, between lines of `<<<<<<<` and"
        " `>>>>>>>`. Each fact has a line of its own, so either side is right by itself: keep the lines of one,"
        " remove the marks, and run `metalor lock`, which adds what is missing and removes what the recipe does not"
        " name.",
    ),
    Code(
        id="E0703",
        title="A lock of a newer version",
        why="A newer metalor wrote the lock, in a form that this one does not know. What it cannot read it does not"
        " guess.",
    ),
    Code(
        id="E0704",
        title="Something is not in the lock",
        why="`--locked` builds only from what is written down: every base, what every unpinned FETCH and GIT"
        " brings, and every file that IMPORT names must stand in the lock beside the recipe. All that is missing is"
        " listed before anything is fetched or run; so is an address that holds a variable of a base that is missing,"
        " as it cannot be looked up. `metalor lock` writes it all down."
        " A FETCH with --sha256 and a GIT with --commit are pinned by the recipe itself and stand in no lock.",
    ),
    Code(
        id="E0705",
        title="A base or an imported file is not what the lock says",
        why="A base that lies on this machine (`oci:`, an archive, `rootfs:`) or a file that IMPORT names has changed"
        " since the lock was written, and `--locked` builds on what the lock names. Or the lock holds a digest with"
        " another image's configuration, as after a merge by hand."
        " `metalor lock` looks at bases of this machine and at imports anew each time; `--update` looks at all.",
    ),
    Code(
        id="E0706",
        title="The lock is not for this platform",
        why="A tag names another image on each platform, so a lock is written for certain platforms and lists them."
        " `metalor lock --platform P,P` writes it for several.",
    ),
    Code(
        id="E0707",
        title="The lock holds what the recipe does not name",
        why="`metalor lock --check` wants a lock that says exactly what the recipe needs: an entry that nothing asks"
        " for is left over from before an edit. `metalor lock` removes it; with `--add` it would be kept, for"
        " recipes that are built with several arguments.",
    ),
    Code(
        id="E0708",
        title="A lock lies in what it locks",
        why="A `rootfs:` directory is known by the digest of all that is in it. Where the recipe and its lock lie in"
        " that directory themselves, writing the lock changes what it says, and no lock of it is ever true. Put the"
        " tree into a folder of its own. Without a lock, such a base is built as it is.",
    ),
)
