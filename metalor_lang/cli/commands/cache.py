"""`metalor cache`: what is in the store, making room, looking for damage.

Invariant: only `gc` and `verify` change the store, and `verify` only moves what is damaged out of the way.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from metalor_lang.cli.commands.caches import carry, describe, title
from metalor_lang.cli.common import open_store
from metalor_lang.errors import Exit, UsageError
from metalor_lang.hints import Final
from metalor_lang.screen.text import counted, one_line, parse_size, size
from metalor_lang.store.gc import KeepPolicy
from metalor_lang.store.store import Store, default_path


def run(arguments: argparse.Namespace) -> int:
    """Do what ACTION says."""
    path = Path(arguments.store) if arguments.store else default_path()
    if arguments.action == "path":
        print(path.absolute())
        return Exit.DONE
    with open_store(arguments, runs=False) as (store, world):
        if arguments.action in ("export", "import"):
            return carry(store, world, arguments)
        if arguments.id is not None:
            raise UsageError(f"cache {arguments.action} takes no further word", help="see metalor cache --help")
        return _ACTIONS[arguments.action](store, arguments)


def _list(store: Store, arguments: argparse.Namespace) -> int:
    if not arguments.full and arguments.format != "json":
        return _sums(store)
    usage = store.usage()
    if arguments.format == "json":
        recipes = [
            {
                "recipe": recipe.recipe,
                "size": recipe.size,
                "used": recipe.used // 10**9,
                "steps": [
                    {
                        "key": step.record.key,
                        "text": step.record.text,
                        "size": step.size,
                        "created": step.record.created,
                        "duration_ms": step.record.duration_ms,
                        "snapshots": list(step.record.chain),
                    }
                    for step in recipe.steps
                ],
            }
            for recipe in usage.recipes
        ]
        totals = {
            "snapshots": len(usage.snapshots),
            "snapshot_bytes": usage.snapshot_bytes,
            "blobs": usage.blobs,
            "blob_bytes": usage.blob_bytes,
            "layers": usage.layers,
            "downloads": sum(1 for _ in store.downloads.all()),
            "caches": [dict(describe(info)) for info in store.caches.all()],
        }
        print(json.dumps({"path": str(store.root), "recipes": recipes, **totals}, ensure_ascii=False))
        return Exit.DONE
    now = time.time()
    for recipe in usage.recipes:
        print(f"{recipe.recipe or 'bases'}  {size(recipe.size)}, used {_age(now - recipe.used / 1e9)}")
        for step in recipe.steps:
            print(
                f"  {step.record.key.removeprefix('sha256:')[:12]}  {size(step.size):>9}  {one_line(step.record.text)}"
            )
    _caches(store, now)
    print(
        f"{store.root}: {counted(len(usage.snapshots), 'snapshot')} ({size(usage.snapshot_bytes)}),"
        f" {counted(usage.blobs, 'blob')} ({size(usage.blob_bytes)}),"
        f" {counted(usage.layers, 'layer')}{_downloads(store)}"
    )
    return Exit.DONE


def _sums(store: Store) -> int:
    tally = store.tally()
    now = time.time()
    for recipe in tally.recipes:
        steps = counted(recipe.steps, "step")
        used = _age(now - recipe.used / 1e9)
        print(f"{recipe.recipe or 'bases'}  {steps}, {size(recipe.size)}, used {used}")
    _caches(store, now)
    blobs = [each for _, each in store.blobs.all()]
    layers = sum(name.endswith(".json") for name in os.listdir(store.layers.directory))
    print(
        f"{store.root}: {counted(tally.snapshots, 'snapshot')} ({size(tally.snapshot_bytes)}),"
        f" {counted(len(blobs), 'blob')} ({size(sum(blobs))}), {counted(layers, 'layer')}{_downloads(store)}"
    )
    return Exit.DONE


def _caches(store: Store, now: float) -> None:
    for info in store.caches.all():
        print(f"{title(info)}, used {_age(now - info.used / 1e9)}")


def _downloads(store: Store) -> str:
    count = sum(name.endswith(".json") for name in os.listdir(store.downloads.directory))
    return f", {counted(count, 'download')}" if count else ""


def _age(seconds: float) -> str:
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= 2 * length:
            return f"{counted(int(seconds // length), name)} ago"
    return "just now"


def _collect(store: Store, arguments: argparse.Namespace) -> int:
    if arguments.all and arguments.keep:
        raise UsageError("--all and --keep exclude each other", help="--keep 0 is the same as --all")
    if arguments.all:
        policy = KeepPolicy(newest=0, max_age=0, leftovers=0)
    elif arguments.keep:
        policy = KeepPolicy(max_bytes=parse_size(arguments.keep))
    else:
        policy = KeepPolicy()
    report = store.gc(policy)
    if arguments.format == "json":
        fields = {
            "kept_steps": report.kept_steps,
            "removed_steps": list(report.removed_steps),
            "removed_snapshots": list(report.removed_snapshots),
            "removed_blobs": list(report.removed_blobs),
            "freed": report.freed,
            "protected": report.protected,
            "removed_caches": list(report.removed_caches),
        }
        print(json.dumps(fields))
        return Exit.DONE
    in_use = f"; in use by a running build: {counted(report.protected, 'snapshot')}" if report.protected else ""
    caches = f", {counted(len(report.removed_caches), 'cache')}" if report.removed_caches else ""
    print(
        f"freed {size(report.freed)}: {counted(len(report.removed_steps), 'step')},"
        f" {counted(len(report.removed_snapshots), 'snapshot')},"
        f" {counted(len(report.removed_blobs), 'blob')}{caches}; kept: {counted(report.kept_steps, 'step')}{in_use}"
    )
    return Exit.DONE


def _verify(store: Store, arguments: argparse.Namespace) -> int:
    report = store.verify(full=arguments.full)
    if arguments.format == "json":
        damage = [{"kind": item.kind, "name": item.name, "causes": list(item.causes)} for item in report.damaged]
        print(json.dumps({"snapshots": report.snapshots, "blobs": report.blobs, "damaged": damage}))
    else:
        for item in report.damaged:
            print(f"{item.kind} {item.name}: {'; '.join(item.causes)}")
        found = f"{len(report.damaged)} damaged, moved away" if report.damaged else "no damage"
        print(f"{counted(report.snapshots, 'snapshot')}, {counted(report.blobs, 'blob')}: {found}")
    return Exit.REFUSED if report.damaged else Exit.DONE


_ACTIONS: Final[dict[str, Callable[[Store, argparse.Namespace], int]]] = {
    "ls": _list,
    "gc": _collect,
    "verify": _verify,
}
