"""Small recipes, each with the Dockerfile that should say the same, and every difference that is meant.

Invariant: `differs` names exactly the paths in which the two images differ ("config" for the configuration), each with
the decision behind it; whatever it does not name is equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER = "what comes from a context belongs to the current USER; a Dockerfile gives it to root"
MODE = "modes of a context become 755 or 644, so that nobody's umask changes the image; a Dockerfile keeps them"
LINK = "a file replaces a link at its destination; Buildah makes a directory where the link points"
PATH = "an image from scratch gets no variable that nobody wrote; a Dockerfile gives it a PATH"
TOP = "a directory of a stage brings its own owner and mode along; a Dockerfile makes it anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A context, what follows FROM in our recipe, and what follows it in the Dockerfile (None: the same).

    `BASE` in the texts stands for the base image of each.
    """

    recipe: str
    dockerfile: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)


F = {"f": "F"}
D = {"d/a": "A", "d/.h": "H", "d/s/b": "B"}

CASES: dict[str, Case] = {
    # --- COPY: where things land
    "nothing": Case(recipe="ENV A=b"),
    "copy file to path": Case(recipe="COPY f /x/y", context=F),
    "copy file into directory": Case(recipe="COPY f /x/", context=F),
    "copy file renamed into an existing directory": Case(recipe="COPY f /etc/g", context=F),
    "copy file over file": Case(recipe="COPY f /etc/group", context=F),
    "copy file relative": Case(recipe="WORKDIR /w\nCOPY f g", context=F),
    "copy file to dot": Case(recipe="WORKDIR /w\nCOPY f .", context=F),
    "copy all to dot": Case(recipe="WORKDIR /w\nCOPY d/ .", context=D),
    "copy directory becomes": Case(recipe="COPY d /x", context=D),
    "copy directory under its name": Case(recipe="COPY d /x/", dockerfile="COPY d /x/d/", context=D),
    "copy contents": Case(recipe="COPY d/ /x/", context=D),
    "copy contents with a dot": Case(recipe="COPY d/. /x/", context=D),
    "copy directory merges": Case(recipe="COPY e /x\nCOPY d /x", context=D | {"e/s/c": "C", "e/a": "old"}),
    "copy directory into the root": Case(recipe="COPY d/ /", context=D),
    "copy two files": Case(recipe="COPY f g /x/", context={"f": "F", "g": "G"}),
    "copy glob": Case(recipe="COPY *.c /x/", context={"a.c": "1", "b.c": "2", "c.h": "3"}),
    "copy glob with dotfiles": Case(recipe="COPY .* /x/", context={".a": "1", "b": "2"}),
    "copy glob in a parent": Case(recipe="COPY */f /x/", context={"a/f": "1", "b/g": "2"}),
    "copy empty directory": Case(recipe="COPY d /x", context={"d/e/": ""}),
    "copy links inside": Case(recipe="COPY d /x", context={"d/a": "A", "d/l": "-> a", "d/up": "-> ../../etc"}),
    "copy modes": Case(
        recipe="COPY d /x",
        context={"d/x": "755|X", "d/f": "644|F", "d/p": "600|P", "d/g": "775|G"},
        differs={"x/p": MODE, "x/g": MODE},
    ),
    "copy chmod": Case(recipe="COPY --chmod=600 f /x/f", context=F),
    "copy chown numbers": Case(recipe="COPY --chown=5:6 d /x", context=D),
    "copy chown names": Case(recipe="COPY --chown=user:staff d /x", context=D),
    "copy chown name alone": Case(recipe="COPY --chown=www-data f /etc/x", context=F),
    "copy chown number alone": Case(recipe="COPY --chown=77 f /etc/x", context=F),
    "copy chown makes parents": Case(recipe="COPY --chown=5:6 f /x/y/f", context=F),
    "copy as a user": Case(recipe="USER user\nCOPY f /tmp/f", context=F, differs={"tmp/f": OWNER}),
    "copy as a user, chown root": Case(recipe="USER user\nCOPY --chown=0:0 f /tmp/f", context=F),
    "copy with an ignore file": Case(
        recipe="COPY d /x",
        context=D | {".metalorignore": "d/s\n*.o\n", ".dockerignore": "d/s\n**/*.o\n", "d/x.o": "O"},
    ),
    # --- COPY: links in the image
    "through a link to a directory": Case(recipe="COPY d/ /sbin/", context={"d/tool": "755|T"}),
    "through a link inside a tree": Case(
        recipe="COPY r/ /", dockerfile="COPY r/sbin/ /sbin/", context={"r/sbin/tool": "755|T"}
    ),
    "file through a linked parent": Case(recipe="COPY f /sbin/f", context=F),
    "file onto a link": Case(
        recipe='RUN ["ln", "-s", "/tmp/t", "/l"]\nCOPY f /l',
        context=F,
        differs={"l": LINK, "tmp/t": LINK, "tmp/t/f": LINK},
    ),
    "climbing link": Case(recipe='RUN ["ln", "-s", "../../../tmp", "/home/l"]\nCOPY f /home/l/f', context=F),
    # --- WORKDIR and USER
    "workdir": Case(recipe="WORKDIR /a/b"),
    "workdir that is there": Case(recipe="WORKDIR /tmp"),
    "workdir through a link": Case(recipe="WORKDIR /sbin/work"),
    "workdir as a user": Case(recipe="USER user\nWORKDIR /a/b"),
    "user by name": Case(recipe="USER user"),
    "user and group": Case(recipe="USER user:staff"),
    "user by number": Case(recipe="USER 4711:4712"),
    "a command as a user": Case(recipe='USER user\nRUN ["touch", "/tmp/mine"]'),
    "a command as a user with groups": Case(
        recipe="USER user\nSH id -u > /tmp/i; id -g >> /tmp/i; id -G >> /tmp/i",
        dockerfile="USER user\nRUN id -u > /tmp/i; id -g >> /tmp/i; id -G >> /tmp/i",
    ),
    "a command as a number": Case(
        recipe='USER 4711\nSH id -u > /tmp/i; id -g >> /tmp/i; echo "$HOME" >> /tmp/i',
        dockerfile='USER 4711\nRUN id -u > /tmp/i; id -g >> /tmp/i; echo "$HOME" >> /tmp/i',
    ),
    "a command in a workdir": Case(recipe="WORKDIR /w\nSH pwd > out", dockerfile="WORKDIR /w\nRUN pwd > out"),
    # --- the configuration
    "env": Case(recipe="ENV A=b C=d"),
    "env again and expanded": Case(recipe='ENV A=b\nENV B=${A}c A=x\nENV C="${A} ${B}"'),
    "env extends the base's": Case(recipe="ENV PATH=/opt/bin:${PATH}"),
    "env reaches a command": Case(recipe="ENV A=b\nSH echo $A > /out", dockerfile="ENV A=b\nRUN echo $A > /out"),
    "argument reaches a command": Case(recipe="ARG V=1\nSH echo $V > /out", dockerfile="ARG V=1\nRUN echo $V > /out"),
    "entrypoint": Case(recipe='ENTRYPOINT ["/bin/busybox", "ls"]'),
    "cmd": Case(recipe='CMD ["ls", "-l"]'),
    "entrypoint and cmd": Case(recipe='ENTRYPOINT ["/bin/busybox"]\nCMD ["ls"]'),
    "cmd through a shell": Case(recipe='CMD ["/bin/sh", "-c", "echo hi"]', dockerfile="CMD echo hi"),
    "label": Case(recipe="LABEL a=b c.d=e"),
    "label again": Case(recipe="LABEL a=b\nLABEL a=c"),
    "expose": Case(recipe="EXPOSE 80 53/udp", dockerfile="EXPOSE 80/tcp 53/udp"),
    "volume": Case(recipe="VOLUME /tmp /var/www"),
    "stopsignal": Case(recipe="STOPSIGNAL SIGQUIT"),
    # --- deletions, files, stages
    "delete a file": Case(recipe='RUN ["rm", "/etc/os-release"]'),
    "delete a directory": Case(recipe='RUN ["rm", "-r", "/var"]'),
    "delete and make again": Case(
        recipe="SH rm -r /var; mkdir /var; echo n > /var/n", dockerfile="RUN rm -r /var; mkdir /var; echo n > /var/n"
    ),
    "directory becomes a file": Case(
        recipe="SH rm -r /home; echo f > /home", dockerfile="RUN rm -r /home; echo f > /home"
    ),
    "file becomes a link": Case(
        recipe="SH rm /etc/group; ln -s passwd /etc/group", dockerfile="RUN rm /etc/group; ln -s passwd /etc/group"
    ),
    "mode and owner changed": Case(
        recipe="SH chmod 4755 /etc/passwd; chown 5:6 /etc/group",
        dockerfile="RUN chmod 4755 /etc/passwd; chown 5:6 /etc/group",
    ),
    "hard links": Case(recipe="SH echo 1 > /one; ln /one /two", dockerfile="RUN echo 1 > /one; ln /one /two"),
    "file": Case(
        recipe="FILE --chmod=755 /x '''\n  #!/bin/sh\n  '''", dockerfile="COPY x /x", context={"x": "755|#!/bin/sh\n"}
    ),
    "stage": Case(recipe="COPY f /f\nFROM BASE AS b\nCOPY --from=a /f /g", context=F),
    "stage on a stage": Case(recipe="ENV A=b\nCOPY f /f\nFROM a AS b\nENV C=d", context=F),
    "stage on scratch": Case(
        recipe="COPY d /d\nFROM scratch AS b\nCOPY --from=a /d /d", context=D, differs={"config": PATH}
    ),
    "stage keeps owners below": Case(
        recipe="COPY --chown=5:6 d /d\nFROM BASE AS b\nCOPY --from=a /d /x", context=D, differs={"x": TOP}
    ),
    "stage with another owner": Case(
        recipe="COPY --chown=5:6 d /d\nFROM BASE AS b\nCOPY --from=a --chown=7:8 /d /x", context=D
    ),
    "link of a stage": Case(recipe="FROM BASE AS b\nCOPY --from=a /usr/bin/env /x"),
}
