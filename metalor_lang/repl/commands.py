"""The table of commands: what help, completion and the reference page are made from.

Invariant: a command exists only here.
"""

from enum import StrEnum

from metalor_lang.hints import Final
from metalor_lang.record import dataclass


class Takes(StrEnum):
    """What a word behind a command is, for completion."""

    NOTHING = "nothing"
    COUNT = "count"
    STEP = "step"
    IMAGE_PATH = "image-path"
    FILE = "file"
    OUTPUT = "output"
    CODE = "code"
    WORD = "word"
    SETTING = "setting"
    COMMAND = "command"
    LINE = "line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Args:
        name: with its colon.
        handler: `module:function` in `repl.acts`; it takes the core and the words, and gives results.
        arguments: how they are written, such as `[N]`; "" for none.
        help: one line, no full stop.
        takes: what the argument is.
        more: further lines of help.
        group: heading in the help.

    """

    name: str
    handler: str
    help: str
    group: str
    arguments: str = ""
    takes: Takes = Takes.NOTHING
    more: tuple[str, ...] = ()


GROUPS: Final = {
    "time": "Time",
    "look": "Look",
    "shell": "Shell",
    "files": "Files",
    "help": "Help",
}
"""The headings of the help, in order."""

COMMANDS: Final = (
    Command(
        name=":undo",
        handler="moves:undo",
        arguments="[N]",
        takes=Takes.COUNT,
        group="time",
        help="take back the last N actions, files and configuration; nothing runs",
        more=(
            "An action is a statement, or what one of these commands did. What a step did to a cache mount or over the",
            "network stays done, and is said.",
        ),
    ),
    Command(
        name=":redo",
        handler="moves:redo",
        arguments="[N]",
        takes=Takes.COUNT,
        group="time",
        help="do again what was taken back; nothing runs",
    ),
    Command(
        name=":goto",
        handler="moves:go",
        arguments="STEP",
        takes=Takes.STEP,
        group="time",
        help="stand behind a statement of :list, or at the end of a stage; what lies behind waits",
        more=(
            "Statements typed then are put there, before those that wait; :next and :continue carry these out, and",
            "one that stands on what it stood on before is simply there again. So stages grow side by side:",
            ":goto build, type, :continue.",
        ),
    ),
    Command(
        name=":retry",
        handler="moves:retry",
        group="time",
        help="carry out the statement that failed once more, or the last one anew",
    ),
    Command(
        name=":replay",
        handler="moves:replay",
        arguments="[all]",
        takes=Takes.WORD,
        group="time",
        help="look at bases and contexts again and run what changed; all: run everything anew",
        more=("What was carried out stays as it was until then, also when a file that it copied changes.",),
    ),
    Command(
        name=":edit",
        handler="moves:edit",
        arguments="[STEP]",
        takes=Takes.STEP,
        group="time",
        help="open a statement (or the recipe) in $EDITOR, then run from the first that changed",
        more=(
            "When one of them fails, you stand before it: put it right with :edit, or take all of it back with :undo.",
        ),
    ),
    Command(
        name=":set",
        handler="moves:assign",
        arguments="[NAME=VALUE]",
        takes=Takes.SETTING,
        group="time",
        help="give an ARG a value and run what depends on it; without a value, list them",
        more=("A value may be given before its ARG is typed. A saved recipe is built with --arg NAME=VALUE.",),
    ),
    Command(
        name=":list",
        handler="looks:listing",
        group="look",
        help="the recipe with numbers, time, size and where each result came from",
    ),
    Command(name=":stages", handler="looks:stages", group="look", help="the stages, and the one you are in"),
    Command(
        name=":diff",
        handler="trees:changes",
        arguments="[STEP]",
        takes=Takes.STEP,
        group="look",
        help="files and configuration that a statement changed",
    ),
    Command(
        name=":files",
        handler="trees:files",
        arguments="[PATH]",
        takes=Takes.IMAGE_PATH,
        group="look",
        help="list a directory of the image",
    ),
    Command(
        name=":cat",
        handler="trees:content",
        arguments="PATH",
        takes=Takes.IMAGE_PATH,
        group="look",
        help="print a file of the image",
    ),
    Command(
        name=":env", handler="looks:env", group="look", help="every variable a step sees, and the statement that set it"
    ),
    Command(
        name=":why",
        handler="looks:why",
        arguments="[STEP]",
        takes=Takes.STEP,
        group="look",
        help="why a statement ran or was taken from the store",
    ),
    Command(
        name=":shell",
        handler="shells:shell",
        arguments="[--failed] [COMMAND]",
        takes=Takes.WORD,
        group="shell",
        help="a shell in the current state; then throw away what it did, or keep it as a step",
        more=(
            "The shell has a copy of the state. When it ends, what it changed is listed and you choose: throw it",
            "away, or keep it as a step. What you typed is then offered as the text of an SH to edit, and the step",
            "is carried out on the state before: only what the step itself does is kept.",
            "--failed: in the files as the last statement that failed left them.",
        ),
    ),
    Command(
        name=":load",
        handler="steps:load",
        arguments="FILE",
        takes=Takes.FILE,
        group="files",
        help="take a recipe in place of this one, and stand before its first statement",
        more=("The session's recipe is left; :undo has it again. A recipe with errors is not loaded.",),
    ),
    Command(
        name=":run",
        handler="steps:run",
        arguments="FILE",
        takes=Takes.FILE,
        group="files",
        help="carry out the statements of a file as if they were typed",
    ),
    Command(
        name=":break",
        handler="steps:stop",
        arguments="[LINE]",
        takes=Takes.LINE,
        group="files",
        help="stop before the statement at a line of the recipe; the same again removes it",
    ),
    Command(name=":next", handler="steps:next_one", group="files", help="carry out the next statement that waits"),
    Command(
        name=":continue",
        handler="steps:go_on",
        group="files",
        help="carry out the statements that wait, up to a failure or a :break",
    ),
    Command(
        name=":save",
        handler="documents:save",
        arguments="[FILE]",
        takes=Takes.FILE,
        group="files",
        help="write the recipe, formatted",
        more=(
            "Without FILE, to where the recipe was loaded from. Asks before it writes over another text, and shows",
            "the difference. What the file says is in the store: `metalor build` runs nothing, and its image is the",
            "session's.",
        ),
    ),
    Command(
        name=":export",
        handler="documents:export",
        arguments="OUTPUT",
        takes=Takes.OUTPUT,
        group="files",
        help="write the image, such as oci:DIR:TAG, rootfs:DIR or tar:FILE",
    ),
    Command(
        name=":explain",
        handler="helps:explain",
        arguments="CODE",
        takes=Takes.CODE,
        group="help",
        help="say what an error code means",
    ),
    Command(
        name=":help",
        handler="helps:show",
        arguments="[WORD]",
        takes=Takes.COMMAND,
        group="help",
        help="this list, or a command, or a statement",
    ),
    Command(name=":history", handler="helps:history", group="help", help="what was typed in this session"),
    Command(name=":quit", handler="helps:quit", group="help", help="leave"),
)

BY_NAME: Final = {command.name: command for command in COMMANDS}
