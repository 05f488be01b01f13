"""Does sessions for the property test: one JSON object a line in, one out.

In: {"texts": […]}, each fed in turn; `!write TEXT` changes the file that COPY takes. Out: what the session exported,
and what a build of the recipe that it saved gave, with every step run anew.
Usage: python -m tests.support.session_laws BASE
"""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

from metalor_lang.build.api import Session as Build
from metalor_lang.build.events import NullSink
from metalor_lang.build.export import Exporter
from metalor_lang.build.model import Options
from metalor_lang.build.reading import RecipeOptions
from metalor_lang.build.sketch import sketch
from metalor_lang.oci.media import Compression
from metalor_lang.oci.output import parse_output
from metalor_lang.repl.opening import open_session
from metalor_lang.repl.outcome import Failure, Refusal
from metalor_lang.repl.render import render
from metalor_lang.runtime.guests import GuestRuntimes
from metalor_lang.runtime.rootfs import choose_snapshotter
from metalor_lang.runtime.world import enter
from metalor_lang.store.store import Store

OUTPUTS = ("tar:{}.tar", "oci:{}:1")


def told(folder, name, digest):
    return {"tar": hashlib.sha256((folder / f"{name}.tar").read_bytes()).hexdigest(), "digest": digest}


def live(texts, folder, base, store, world):
    """The session; gives what it exported, or None when it ended with nothing."""
    wrong = []

    def hear(result):
        if isinstance(result, Refusal | Failure):
            wrong.append(render(result))

    with open_session(
        folder / "session.metalor", RecipeOptions(), store=store, world=world, events=NullSink(), hear=hear
    ) as session:
        for text in texts:
            if text.startswith("!write "):
                (folder / "file").write_text(text[7:])
            else:
                session.feed(text.replace("BASE", base))
        session.feed(":replay")
        if session.view.stage == "":
            return None, {}, wrong
        for each in (":save saved.metalor", *(f":export {form.format('session')}" for form in OUTPUTS)):
            outcome = session.feed(each)
            assert outcome.ok, render(outcome.results[-1])
        digest = outcome.results[-1].lines[-1]
        return told(folder, "session", digest), dict(session.core.now.args), wrong


def rebuilt(folder, args, store, world, anew):
    """A build of the saved recipe."""
    text = (folder / "saved.metalor").read_text()
    given = {name: value for name, value in args.items() if re.search(rf"^ARG {name}\b", text, re.MULTILINE)}
    runtime = GuestRuntimes(world, {})
    try:
        snapshotter = choose_snapshotter(store)
        with Build("saved.metalor", RecipeOptions(args=given), store=store) as build, store.lease():
            plan = build.plan()
            options = Options(no_cache=anew, expect_cached=not anew)
            result = build.build(plan, runtime=runtime, snapshotter=snapshotter, options=options)
            made = (sketch(result, build.bases, build.name),)
            specs = [parse_output(form.format("built")) for form in OUTPUTS]
            image = Exporter(store, snapshotter, NullSink()).export(made, specs, Compression.GZIP)
    finally:
        runtime.close()
    found = told(folder, "built", image.digest)
    (folder / "built.tar").unlink()
    shutil.rmtree(folder / "built")
    return found


def main(base):
    root = Path(os.environ["METALOR_STORE"])
    world = enter(root)
    home = Path.cwd()
    with Store.open(root) as store:
        for number, line in enumerate(sys.stdin):
            folder = home / str(number)
            folder.mkdir()
            os.chdir(folder)
            (folder / "file").write_text("first")
            session, args, wrong = live(json.loads(line)["texts"], folder, base, store, world)
            answer = {"session": session, "wrong": wrong}
            if session is not None:
                answer["cached"] = rebuilt(folder, args, store, world, anew=False)
                answer["anew"] = rebuilt(folder, args, store, world, anew=True)
                answer["recipe"] = (folder / "saved.metalor").read_text()
            os.chdir(home)
            shutil.rmtree(folder)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
