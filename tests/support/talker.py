"""A session in a terminal, without the prompt: a line is fed as it is typed; questions are answered from the keyboard.

Usage: python -m tests.support.talker [--resume]
"""

import os
import sys
from pathlib import Path

from metalor_lang.build.reading import RecipeOptions
from metalor_lang.repl.journal import Journal
from metalor_lang.repl.opening import header_of, interrupts_to, open_session, options_of
from metalor_lang.repl.outcome import Done
from metalor_lang.repl.plain import Hearer, PlainEvents
from metalor_lang.repl.render import render_question
from metalor_lang.runtime.world import enter
from metalor_lang.store.store import Store


class Keyboard:
    def ask(self, question):
        print(render_question(question), end="")
        return input("answer> ")

    def edit(self, text, *, suffix):
        print(text + "edited: ", end="")
        return input() or text

    def terminal(self):
        return 0


def main():
    store = Path(os.environ["METALOR_STORE"])
    world = enter(store)
    events = PlainEvents()
    hearer = Hearer(events)

    def hear(result):
        hearer(result)
        if isinstance(result, Done):
            print(f"done {result.number}")

    with Store.open(store) as opened:
        path, options, story = Path("session.metalor"), RecipeOptions(), None
        if "--resume" in sys.argv:
            journal, story = Journal.resume(opened.root)
            path, options = options_of(story.header)
        else:
            journal = Journal.create(opened.root, header_of(path, options))
        with open_session(
            path,
            options,
            store=opened,
            world=world,
            events=events,
            person=Keyboard(),
            hear=hear,
            journal=journal,
            story=story,
        ) as session:
            while True:
                with interrupts_to(session):
                    outcome = session.feed(input("talk> "))
                if outcome.leave:
                    return


if __name__ == "__main__":
    sys.exit(main())
