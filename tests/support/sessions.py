"""Sessions for tests: with a performer that writes nothing but remembers, and on the real machine."""

from metalor_lang.build.events import Recorder
from metalor_lang.build.failures import Interrupted, command_failed
from metalor_lang.build.reading import RecipeOptions
from metalor_lang.repl.core import Core
from metalor_lang.repl.outcome import Nobody
from metalor_lang.repl.session import Session


class Performer:
    """Commits an empty snapshot for each step that writes; what `fail` and `interrupt` name does not succeed."""

    def __init__(self, store):
        self.store = store
        self.asked = []
        self.fail = set()
        self.interrupt = set()
        self.stopped = 0

    def __call__(self, plan, ground):
        return self

    def base(self, stage):
        raise AssertionError("there are only scratch bases")

    def perform(self, stage, step, chain, sources, ref):
        self.asked.append(step.text)
        if step.text in self.interrupt:
            raise Interrupted("stopped")
        if step.text in self.fail:
            raise command_failed(step, code=2, signal=None, timed_out=False, timeout=None, tail=(b"x",), log="/log")
        if not step.kind.writes:
            return chain
        with self.store.snapshots.draft() as draft:
            return (*chain, draft.commit({"text": step.text}))

    def stop(self):
        self.stopped += 1


class Answering(Nobody):
    """Gives the answers it was told, in order, and edits as it was told."""

    def __init__(self, *answers, edits=()):
        self.answers = list(answers)
        self.edits = list(edits)
        self.asked = []

    def ask(self, question):
        self.asked.append(question)
        return self.answers.pop(0) if self.answers else question.default

    def edit(self, text, *, suffix):
        self.asked.append(text)
        return self.edits.pop(0)


def scripted(store, folder, *, person=None, args=None, performer=None, journal=None, story=None, **options):
    """A session that runs nothing, and its performer."""
    performer = performer or Performer(store)
    core = Core(
        folder / "session.metalor",
        RecipeOptions(args=args or {}, **options),
        store=store,
        runtime=None,
        snapshotter=None,
        performers=performer,
        events=Recorder(),
        person=person,
        journal=journal,
    )
    session = Session(core)
    if story is None:
        core.begin()
    else:
        session.resume(story)
    return session, performer
