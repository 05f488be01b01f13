"""Models with one state broken: what the comparison must notice."""

from metalor_lang.editors.model import START, Model, Move, State
from metalor_lang.record import replace
from metalor_lang.tooling.roles import Role

KINDS = ("colour", "target", "move", "newline")


def broken(model: Model, state: int, kind: str) -> Model:
    """The model with a wrong colour, a wrong target, without a move, or lost at a line end, in one state.

    Raises:
        ValueError: that state cannot be broken so.

    """
    row = model.states[state]
    if kind == "newline":
        if row.newline == START:
            raise ValueError("nothing goes on behind this state")
        wrong = State(row.moves, START)
    else:
        if not row.moves:
            raise ValueError("there is no move to break")
        move = row.moves[-1]
        match kind:
            case "colour":
                role = Role.NUMBER if move.role is not Role.NUMBER else Role.KEY
                moves = (*row.moves[:-1], Move(move.pattern, role, move.target))
            case "target":
                moves = (*row.moves[:-1], Move(move.pattern, move.role, START))
            case _:
                moves = row.moves[:-1]
        wrong = State(moves, row.newline)
    return replace(model, states=(*model.states[:state], wrong, *model.states[state + 1 :]))
