"""Codes of the build phase: E05xx bases and images, E06xx running a build."""

from metalor_lang.diagnostics.codes.model import Code

BUILD: tuple[Code, ...] = (
    Code(
        id="E0501",
        title="A base image is not there",
        why="The path after `oci:`, `oci-archive:`, `docker-archive:` or `rootfs:` does not exist or is not what its"
        " prefix says. Local paths are relative to the recipe's folder.",
        wrong="FROM oci:no-such-folder:1.0\n",
        right="FROM oci:bases/busybox:1.0\n",
    ),
    Code(
        id="E0502",
        title="An image layout has no such tag or platform",
        why="The layout is there, but none of its manifests has the tag or the platform that was asked for. The message"
        " lists what there is.",
    ),
    Code(
        id="E0503",
        title="A base image is damaged",
        why="Every blob is checked against its digest and its size while it is read. One of them is missing, cut short"
        " or altered, so nothing can be built on it. Fetch or write the image again.",
    ),
    Code(
        id="E0504",
        title="A base image could not be fetched",
        why="skopeo could not read the reference: it is misspelt, needs a login, or the registry cannot be reached from"
        " this machine. The message holds skopeo's command so that it can be tried by hand.",
    ),
    Code(
        id="E0505",
        title="A rootfs cannot be taken as a base",
        why="A `rootfs:` base is a directory, or a tar file (plain, gzip, zstd, xz or bzip2), that holds a root file"
        " system. A tar with paths that leave it, or a file of another kind, is refused.",
    ),
    Code(
        id="E0506",
        title="The output cannot carry what the recipe says",
        why="Nothing that a recipe says is dropped silently. A docker-archive has no room for annotations (ANNOTATE):"
        " write `oci:` or `oci-archive:` instead. `rootfs:` and `tar:` are plain trees by definition.",
    ),
    Code(
        id="E0507",
        title="the target is not for the platform that is asked for",
        why="`--platform linux/amd64,linux/arm64` builds the target once for each platform and lists the images in one"
        " index. A target whose FROM has a --platform of its own is the same image each time. Stages that only help"
        " (compilers that write for another machine) may keep theirs.",
    ),
    Code(
        id="E0601",
        title="A command failed",
        why="RUN and SH stop the build when their command ends with a status other than 0. Nothing of the failed step"
        " is kept; the steps before it are in the cache. The whole output is in the log that the message names.",
        wrong='FROM oci:bases/busybox:12\nRUN ["/bin/false"]\n',
        right='FROM oci:bases/busybox:12\nRUN ["/bin/true"]\n',
    ),
    Code(
        id="E0602",
        title="A command could not be started",
        why="The first word of a RUN is a path in the image, or a name found through PATH. It is not there (status"
        " 127), is not executable, or is for another architecture (status 126). An image from scratch has no shell.",
        wrong='FROM scratch\nRUN ["/bin/sh", "-c", "echo hello"]\n',
        right='FROM oci:bases/busybox:12\nRUN ["/bin/sh", "-c", "echo hello"]\n',
    ),
    Code(
        id="E0603",
        title="A step took longer than its --timeout",
        why="The step was ended when its time was over. Give it more with `--timeout=10m`, or find out in its log what"
        " it waited for.",
    ),
    Code(
        id="E0604",
        title="Files could not be written into the image",
        why="COPY, FILE or WORKDIR met something in the image that it must not replace: a directory where a file should"
        " go, or a file in the way of a directory. The message names the path and the spelling that works.",
    ),
    Code(
        id="E0605",
        title="A user or group is not in the image",
        why="USER and --chown are resolved in the image's own /etc/passwd and /etc/group, as they are at that step."
        " Create the user first, or write a number, which needs no entry.",
        wrong="FROM oci:bases/busybox:12\nUSER nosuchuser\n",
        right="FROM oci:bases/busybox:12\nUSER 1000\n",
    ),
    Code(
        id="E0606",
        title="A step is not in the cache",
        why="With --expect-cached the first step that would have to run fails the build, so that CI can prove that"
        " nothing changed; the message says what the step would run for. Build once without the flag, or ask"
        " `metalor why` for all that would run and what it is for.",
    ),
    Code(
        id="E0608",
        title="A test failed",
        why="A TEST runs on a throw-away copy of the stage. A status other than 0 fails the build; nothing of the test"
        " is kept. `--no-tests` leaves tests out and lists them.",
        wrong='FROM oci:bases/busybox:12\nTEST RUN ["/bin/false"]\n',
        right='FROM oci:bases/busybox:12\nTEST RUN ["/bin/true"]\n',
    ),
    Code(
        id="E0609",
        title="This machine could not run a step or unpack a base",
        why="The recipe is right, but the machine refused what it needs: a mount, a namespace, room on the disk."
        " `metalor doctor` says what is missing.",
    ),
    Code(
        id="E0610",
        title="A file or a commit could not be fetched",
        why="FETCH or GIT asked a server and did not get what the recipe says: the server refused or cannot be reached,"
        " the file has another hash, or there is no such commit. Nothing of it is kept, except the beginning of a file"
        " whose transfer broke: the next build goes on from there. Names and passwords come from `~/.netrc`.",
    ),
    Code(
        id="E0611",
        title="An archive could not be unpacked",
        why="`FETCH --unpack` takes tar (plain, gzip, xz, zstd or bzip2) and zip, told by their first bytes. An archive"
        " that is damaged, climbs out of its folder, holds devices, or unpacks into far more than it should, is"
        " refused, and nothing of it is kept.",
    ),
    Code(
        id="E0612",
        title="A secret would stay",
        why="Whatever is given by --secret must be in no layer, configuration, history or key. After each step its"
        " files are searched for the secrets of the build, as they are and as base64, hexadecimal, in addresses and in"
        " JSON; before the first step, so is what the recipe says. The message names the secret and the place; nothing"
        " of the step is kept.",
    ),
)
