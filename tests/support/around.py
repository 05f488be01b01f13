"""Surroundings of a recipe for tests of completion: trees of files, images and users as tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from metalor_lang.tooling.items import Entry, Place, Where


@dataclass(frozen=True, kw_only=True)
class Around:
    """Files by place and path; a path that ends in `/` is a folder."""

    context: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    passwd: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    recipes: Mapping[str, str] = field(default_factory=dict)

    def recipe(self, path: str) -> str | None:
        return self.recipes.get(path)

    def entries(self, place: Place, folder: str) -> Iterable[Entry]:
        match place.where:
            case Where.HERE:
                paths = self.image
            case Where.STAGE:
                paths = self.stages.get(place.name, ())
            case Where.CONTEXT:
                paths = self.named.get(place.name, ()) if place.name else self.context
            case Where.MACHINE:
                paths = self.context
        top = folder.strip("/")
        head = f"{top}/" if top else ""
        names: dict[str, bool] = {}
        for path in paths:
            rest = path.lstrip("/")
            if not rest.startswith(head) or rest == head:
                continue
            name, slash, _ = rest[len(head) :].partition("/")
            names[name] = names.get(name, False) or bool(slash)
        return [Entry(name=name, folder=is_folder) for name, is_folder in names.items()]

    def contexts(self) -> Mapping[str, str]:
        return {name: f"./{name}" for name in self.named}

    def images(self) -> Mapping[str, str]:
        return dict.fromkeys(self.references, "in the store")

    def environment(self) -> Mapping[str, str]:
        return self.env

    def users(self) -> Mapping[str, str]:
        return self.passwd

    def workdir(self) -> str:
        return self.folder
