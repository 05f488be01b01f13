"""What differs between a step and the step that it was.

Invariant: a cause is named only where the two differ, and what another cause brings with it (the text of a command
that holds an argument, the times that a new base brings) is not named beside it. No difference is left without a
cause: one that nothing here explains is named as the part of the key that it is.
"""

from collections.abc import Sequence

from metalor_lang.checker.scope import ALWAYS, EPOCH
from metalor_lang.digest import Json, plain_json
from metalor_lang.hints import TYPE_CHECKING, Final, Protocol, cast
from metalor_lang.plan.why.account import NAMES, Place, StageAccount, StepAccount
from metalor_lang.plan.why.before import Above, Setter, mapping
from metalor_lang.plan.why.causes import Cause, Code, Found, shown

if TYPE_CHECKING:
    from metalor_lang.plan.why.compare import Comparison

_BY_PIECES: Final = frozenset(("base", "arguments", "environment", "platform", "epoch", "mounts"))
"""Parts that are compared piece by piece; the others are the statement's."""
_TAKES: Final = frozenset(("sources", "excludes", "optional", "keeps"))
"""Parts of a COPY that say which files it takes."""

Side = tuple[StageAccount, StepAccount]


class Files(Protocol):
    """Knows what the contents of contexts and of root file systems were."""

    def changes(self, old: str, place: Place, at: str) -> Sequence[Cause]:
        """What differs in a content.

        Args:
            old: digest of what it was.
            place: of the step that takes it.
            at: "copy", or the destination of a bind.

        Returns:
            a cause for each file; nothing where it is not known what was there.

        """
        ...

    def tree(self, old: str, stage: int) -> Sequence[Cause]:
        """What differs in the root file system that a stage stands on.

        Args:
            old: digest of what it was.
            stage: index.

        Returns:
            a cause for each file, or one that says why none is named; nothing where nobody looked.

        """
        ...


class Difference:
    """One step, as it was and as it is.

    Args:
        all: the recipes that they stand in.
        before, now: the step with its stage.

    """

    def __init__(self, all: "Comparison", before: Side, now: Side) -> None:
        self._all = all
        self._old_stage, self._old = before
        self._stage, self._step = now
        self._above = Above(all.old, before[0], before[1].number), Above(all.new, now[0], now[1].number)
        names = {**self._old.parts, **self._step.parts}
        self._names = {name for name in names if self._old.parts.get(name) != self._step.parts.get(name)}
        self._edited = self._old.text != self._step.text
        self._causes: list[Cause] = []
        self._behind: list[Place] = []

    def find(self) -> Found:
        """The causes of the step itself, and a step that it stands on and that changed."""
        names, parts = self._names, (self._old.parts, self._step.parts)
        if "format" in names:
            then, today = (text_of(each.get("format")) for each in parts)
            return Found(causes=(Cause(code=Code.FORMAT, old=then, new=today),))
        if "platform" in names:
            self._add(Cause(code=Code.PLATFORM, old=self._old_stage.platform, new=self._stage.platform))
        if "epoch" in names:
            self._epoch()
        if "arguments" in names:
            self._arguments(self._old, self._step, self._edited)
        if "environment" in names:
            self._environment()
        if "user" in names and self._step.kind != "user":
            self._state("user", Code.USER, "USER", "user", "")
        if "workdir" in names:
            self._state("workdir", Code.WORKDIR, "WORKDIR", "path", "/")
        self._words()
        self._contents()
        if "base" in names:
            below = self._all.above(self._stage.index, self._step.number, self._old.number)
            if not self._causes:
                self._causes += below.causes
            self._take(below)
        return Found(causes=tuple(self._causes), behind=min(self._behind, default=None))

    def _add(self, cause: Cause) -> None:
        if cause not in self._causes:
            self._causes.append(cause)

    def _take(self, found: Found) -> None:
        if found.behind is not None:
            self._behind.append(found.behind)

    # --- given from outside -----------------------------------------------------------------------------------------

    def _epoch(self) -> None:
        before, now = self._all.before, self._all.now
        assert before is not None
        if before.epoch == now.epoch and self._above[0].root.digest != self._above[1].root.digest:
            return  # the times are the base's, which is named
        self._add(Cause(code=Code.EPOCH, old=str(self._old_stage.epoch), new=str(self._stage.epoch)))

    def _arguments(self, old: StepAccount, step: StepAccount, edited: bool, via: bool = False) -> bool:
        """Name the arguments that have another value; gives whether there is one.

        Args:
            old: what named them.
            step: what names them.
            edited: the statement's text changed: then what it does not name any more, or names now, is no cause.
            via: they came through this other statement.

        """
        then, today = mapping(old.parts, "arguments"), mapping(step.parts, "arguments")
        found = False
        for name in {**then, **today}:
            was, now = then.get(name), today.get(name)
            if was == now or (edited and (was is None or now is None)):
                continue
            found = True
            if name == EPOCH:
                self._epoch()
            elif name not in ALWAYS or old.parts.get("platform") == step.parts.get("platform"):
                text, line = (step.text, step.line) if via else ("", 0)
                self._add(Cause(code=Code.ARGUMENT, name=name, old=was, new=now, via=text, line=line))
        return found

    # --- set by statements above ------------------------------------------------------------------------------------

    def _environment(self) -> None:
        then, today = (mapping(each.parts, "environment") for each in (self._old, self._step))
        named = {*mapping(self._old.parts, "arguments"), *mapping(self._step.parts, "arguments")}
        for name in sorted({**then, **today}):
            if then.get(name) != today.get(name) and name not in named:
                self._variable(name, *self._above, then.get(name), today.get(name))

    def _variable(self, name: str, then: Above, today: Above, was: str | None, now: str | None) -> None:
        """Say why a variable of the environment has another value."""
        old, new = then.variable(name), today.variable(name)
        if old is None and new is None:
            self._behind.append((today.root.index, 0))
            return
        if old is not None and new is not None and old.step.text == new.step.text:
            arguments = self._arguments(old.step, new.step, edited=False, via=True)
            if self._variables(new.step, then.at(old), today.at(new)) or arguments:
                return
        setter = new or old
        assert setter is not None
        self._add(
            Cause(
                code=Code.ENVIRONMENT,
                name=name,
                old=shown(name, was),
                new=shown(name, now),
                via=setter.step.text,
                line=0 if new is None else new.step.line,
            )
        )

    def _variables(self, step: StepAccount, then: Above, today: Above) -> bool:
        """Say why variables that a statement names have other values; gives whether one has."""
        arguments = mapping(step.parts, "arguments")
        found = False
        for name in dict.fromkeys(NAMES.findall(step.text)):
            if name not in arguments and then.state(name) != today.state(name):
                self._variable(name, then, today, then.value(name), today.value(name))
                found = True
        return found

    def _state(self, part: str, code: Code, word: str, value: str, unset: str) -> None:
        """Say why the user or the working directory is another one, where statements above say it.

        Args:
            part: of the key.
            code: of the cause.
            word: of the statement that sets it.
            value: the part of that statement's key that has it.
            unset: what it is after UNSET.

        """
        setters = self._above[0].word(word), self._above[1].word(word)
        parts = text_of(self._old.parts.get(part)), text_of(self._step.parts.get(part))
        own_flag = f" --{part}=" in self._old.text or f" --{part}=" in self._step.text
        for setter, held in zip(setters, parts):
            if setter is not None and held != text_of(setter.step.parts.get(value, unset)):
                return  # by the statement's own flag: compared with the statement
            if setter is None and own_flag:
                return
        self._names.discard(part)
        old, new = setters
        if old is None and new is None:
            self._behind.append((self._above[1].root.index, 0))
        elif new is not None and not new.step.configures and self._all.changed(_place(new)):
            self._behind.append(_place(new))
        else:
            setter = new or old
            assert setter is not None
            line = 0 if new is None else new.step.line
            self._add(Cause(code=code, old=parts[0], new=parts[1], via=setter.step.text, line=line))

    # --- said by the statement --------------------------------------------------------------------------------------

    def _words(self) -> None:
        """Parts that the statement gives; those that only follow from another change are not named."""
        old, step = self._old, self._step
        left = {name for name in self._names if name not in _BY_PIECES}
        if step.kind != "file":
            left.discard("content")
        if "mounts" in self._names and not self._same_mounts():
            left.add("mounts")
        if not left:
            return
        if self._edited:
            self._add(Cause(code=Code.STATEMENT, old=old.text, new=step.text))
        elif step.open and left <= {"sha256", "commit"}:
            url = text_of(step.parts.get("url")) or ""
            for name in left:
                values = text_of(old.parts.get(name)), text_of(step.parts.get(name))
                self._add(Cause(code=Code.FETCHED, name=url, old=values[0], new=values[1], via=self._all.by_lock))
        elif not (left <= {"argv", "pipefail"} and self._shell()) and not self._follows():
            for name in sorted(left):
                values = text_of(old.parts.get(name)), text_of(step.parts.get(name))
                self._add(Cause(code=Code.PART, name=name, old=values[0], new=values[1]))

    def _shell(self) -> bool:
        """Say that SHELL is another one, where it is and the text is for it."""
        old, new = self._above[0].word("SHELL"), self._above[1].word("SHELL")
        then, today = (None if each is None else each.step.parts.get("changes") for each in (old, new))
        if then == today or "SH" not in self._step.text.split(None, 2)[:2]:
            return False
        setter = new or old
        assert setter is not None
        line = 0 if new is None else new.step.line
        self._add(Cause(code=Code.SHELL, old=text_of(then), new=text_of(today), via=setter.step.text, line=line))
        return True

    def _follows(self) -> bool:
        """Whether the words hold names whose values changed."""
        arguments = mapping(self._old.parts, "arguments") != mapping(self._step.parts, "arguments")
        return self._variables(self._step, *self._above) or arguments

    def _same_mounts(self) -> bool:
        then, today = ([{**each, "content": None} for each in _mounts(step)] for step in (self._old, self._step))
        return then == today

    # --- held by files ----------------------------------------------------------------------------------------------

    def _contents(self) -> None:
        old, step = self._old, self._step
        if step.kind == "copy" and "content" in self._names and not self._names & _TAKES:
            self._content("copy", text_of(old.parts.get("content")), text_of(step.parts.get("content")))
        if "mounts" in self._names and self._same_mounts():
            for then, today in zip(_mounts(old), _mounts(step)):
                if then.get("content") != today.get("content"):
                    self._content(
                        text_of(today.get("path")) or "", text_of(then.get("content")), text_of(today.get("content"))
                    )

    def _content(self, at: str, then: str | None, today: str | None) -> None:
        was, where = self._old.origins.get(at), self._step.origins.get(at)
        if isinstance(where, int):
            stage = self._all.stages.get(where)
            if stage is not None and stage.index == was:
                found = self._all.end(where)
                for cause in found.causes:
                    self._add(cause)
                self._take(found)
                return
        if was != where and self._edited:
            self._add(Cause(code=Code.STATEMENT, old=self._old.text, new=self._step.text))
        elif isinstance(where, int):
            self._behind.append((where, 0))
        else:
            place = self._stage.index, self._step.number
            found_files = self._all.files.changes(then or "", place, at)
            for cause in found_files or (Cause(code=Code.FILES, old=then, new=today),):
                self._add(cause)


def _place(setter: Setter) -> Place:
    return setter.stage.index, setter.step.number


def _mounts(step: StepAccount) -> list[dict[str, Json]]:
    return cast("list[dict[str, Json]]", step.parts.get("mounts") or [])


def text_of(value: Json) -> str | None:
    """A part as text; None stays None."""
    return value if value is None or isinstance(value, str) else plain_json(value).decode()
