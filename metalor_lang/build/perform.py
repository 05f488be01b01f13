"""What each kind of step does to the machine: run, copy, write, look up.

Invariant: a step works on a draft that is discarded unless everything went well; what it wrote is clamped to the
stage's epoch before it is committed. What only some kinds of steps need is imported by the first of them: the others
need not wait for it.
"""

import errno
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial

from metalor_lang.build.bases import Bases
from metalor_lang.build.events import EventSink, Notice, StepOutput, StepRef
from metalor_lang.build.facts import Facts
from metalor_lang.build.failures import BuildFailed, Interrupted, command_failed, failed_with, no_workdir
from metalor_lang.build.logs import StepLog
from metalor_lang.build.model import Chain
from metalor_lang.build.needles import Masker
from metalor_lang.build.remotes import Remotes
from metalor_lang.build.secrets import NONE, Leak, Secrets
from metalor_lang.build.users import Identity, UserError
from metalor_lang.errors import MachineError, MetalorError, machine_help
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final, assert_never
from metalor_lang.kernel.paths import Root
from metalor_lang.plan.graph import (
    BindMount,
    CacheMount,
    CheckUser,
    CloneGit,
    CloseLayer,
    Configure,
    CopyFiles,
    Exec,
    FetchFile,
    Kind,
    MakeWorkdir,
    PlannedStage,
    SecretMount,
    Step,
    TmpfsMount,
    WriteFile,
)
from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.limits import Limits
from metalor_lang.runtime.request import BindSpec, FileSpec, LayeredView, Mount, StepRequest, Streams, TmpfsSpec
from metalor_lang.runtime.rootfs import DraftView, Snapshotter
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.contexts import LocalContexts
    from metalor_lang.build.copysteps import CopySteps
    from metalor_lang.runtime.client import Runtime

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of a step where neither base nor recipe sets one."""


class Machine:
    """Performs the steps of one build; behind `late.LateMachine`.

    Args:
        contexts: opens them, or gives those that are open.
        titles: how stages are called, by index.
        keep_failed: given a step and the files as its command left them that failed; else they are thrown away.
        anew: nothing may stand on what older builds copied.
        secrets: what steps may be shown, and may not leave behind.

    """

    def __init__(
        self,
        *,
        store: Store,
        runtime: "Runtime",
        snapshotter: Snapshotter,
        bases: Bases,
        contexts: "Callable[[], LocalContexts]",
        events: EventSink,
        titles: Mapping[int, str],
        grace: float = 5.0,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        keep_failed: Callable[[Step, Chain], None] | None = None,
        anew: bool = False,
        secrets: Secrets = NONE,
    ) -> None:
        self._secrets = secrets
        self._keep_failed = keep_failed
        self._anew = anew
        self._copy_steps: CopySteps | None = None
        self._lock = Lock()
        self._limits = limits
        self._store = store
        self._runtime = runtime
        self._snapshotter = snapshotter
        self._bases = bases
        self._contexts = contexts
        self._events = events
        self._titles = titles
        self._grace = grace
        self._stopping = threading.Event()
        self._cancel = Cancel()
        self._facts = Facts()
        self._remotes = Remotes(store, events)

    def stop(self) -> None:
        """End running commands soon; later ones end at once."""
        self._stopping.set()
        self._cancel.fire()
        self._remotes.stop()

    def perform(
        self, stage: PlannedStage, step: Step, chain: Chain, sources: Mapping[int, Chain], ref: StepRef
    ) -> Chain:
        """Run a step on a chain and give the chain after it.

        Raises:
            BuildFailed: it failed; nothing of it is kept.
            Interrupted: the build is being stopped.
            MachineError: the machine refused.

        """
        action = step.action
        try:
            if isinstance(action, CheckUser):
                with ExitStack() as stack:
                    view = partial(_viewed, self._snapshotter, chain, stack)
                    self._facts.identity(chain, action.user, view)
                return chain
            if isinstance(action, CopyFiles) and action.stage is None:
                return self._copies().perform(stage, step, action, chain)
            if isinstance(action, FetchFile | CloneGit):
                return self._bring(stage, step, action, chain, ref)
            with self._snapshotter.draft(chain) as draft:
                try:
                    self._apply(stage, step, chain, draft, sources, ref)
                except BuildFailed:
                    if self._keep_failed is not None and isinstance(action, Exec):
                        with suppress(MetalorError, OSError):  # why the step failed is what matters
                            self._secrets.vet_tree(draft.upper)
                            self._keep_failed(step, draft.commit({"failed": step.key}, durable=False))
                    raise
                if step.kind is Kind.TEST:
                    return chain
                self._secrets.vet_tree(draft.upper)
                # Not durable: the builder has the step's record published, which syncs for several at once.
                after = draft.commit({"step": step.key, "text": step.text}, epoch=stage.epoch, durable=False)
                self._facts.changed(chain, after, self._store.snapshots.fs_path(after[-1]))
                return after
        except UserError as error:
            raise failed_with(error, step, "E0605") from error
        except Leak as error:
            raise failed_with(error, step, "E0612") from error
        except (BuildFailed, Interrupted):
            raise
        except InterruptedError:
            raise Interrupted("the build was interrupted") from None
        except MetalorError as error:
            if self._stopping.is_set():
                raise Interrupted("the build was interrupted") from error
            raise

    def _apply(
        self,
        stage: PlannedStage,
        step: Step,
        chain: Chain,
        draft: DraftView,
        sources: Mapping[int, Chain],
        ref: StepRef,
    ) -> None:
        action = step.action
        match action:
            case Exec():
                self._execute(stage, step, action, chain, draft, sources, ref)
            case CopyFiles(stage=index):
                if index is None:
                    raise ValueError("a COPY from a context needs no draft of others")
                from metalor_lang.build.copying import copy_into

                with self._snapshotter.view(sources[index]) as source:
                    copy_into(
                        draft.root, action, epoch=stage.epoch, source_view=source, title=self._titles.get(index, "")
                    )
            case WriteFile():
                from metalor_lang.build.files import write_file

                write_file(draft.root, action, epoch=stage.epoch)
            case MakeWorkdir():
                from metalor_lang.build.files import make_workdir

                make_workdir(draft.root, action, epoch=stage.epoch)
            case CheckUser() | Configure() | FetchFile() | CloneGit() | CloseLayer():
                raise MetalorError(f"a step of kind {step.kind} does not run")
            case _:
                assert_never(action)

    def _copies(self) -> "CopySteps":
        from metalor_lang.build.copysteps import CopySteps

        with self._lock:
            if self._copy_steps is None:
                self._copy_steps = CopySteps(
                    store=self._store,
                    snapshotter=self._snapshotter,
                    contexts=self._contexts(),
                    facts=self._facts,
                    secrets=self._secrets,
                    anew=self._anew,
                )
            return self._copy_steps

    # --- what comes over a network ----------------------------------------------------------------------------------

    def _bring(
        self, stage: PlannedStage, step: Step, action: FetchFile | CloneGit, chain: Chain, ref: StepRef
    ) -> Chain:
        from metalor_lang.build.brought import put
        from metalor_lang.oci.archives import ArchiveRefused
        from metalor_lang.remote.errors import FetchRefused

        try:
            digest = self._remotes.bring(action, ref)
            with self._snapshotter.draft(chain) as draft:
                put(draft.root, action, self._store, digest, epoch=stage.epoch, check=self._check)
                self._secrets.vet_tree(draft.upper)
                after = draft.commit({"step": step.key, "text": step.text}, epoch=stage.epoch, durable=False)
        except FetchRefused as error:
            raise failed_with(error, step, "E0610") from error
        except ArchiveRefused as error:
            raise failed_with(error, step, "E0611") from error
        self._facts.changed(chain, after, self._store.snapshots.fs_path(after[-1]))
        return after

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("the build was interrupted")

    # --- commands ---------------------------------------------------------------------------------------------------

    def _execute(
        self,
        stage: PlannedStage,
        step: Step,
        action: Exec,
        chain: Chain,
        draft: DraftView,
        sources: Mapping[int, Chain],
        ref: StepRef,
    ) -> None:
        with ExitStack() as stack:
            # Asked before the draft is changed: it shows what the chain has.
            identity = self._facts.identity(chain, action.user, lambda: draft.root)
            found = self._facts.directory(chain, action.workdir, lambda: draft.root)
            if found is None and action.workdir == step.before.workdir:
                # A base's WorkingDir need not exist: every tool makes it when something runs.
                draft.root.makedirs(action.workdir)
            elif not found:
                raise failed_with(no_workdir(action.workdir, there=found is not None), step, "E0604")
            caches = self._caches(stage, action, identity, ref, stack)
            request = self._request(stage, action, identity, sources, caches, stack)
            log = stack.enter_context(StepLog(self._store.logs_path(step.key)))

            masker = Masker(self._secrets.needles)

            def show(data: bytes) -> None:
                if data:
                    log.write(data)
                    self._events.emit(StepOutput(step=ref, data=data))

            def output(data: bytes) -> None:
                show(masker.feed(data))

            status = self._runtime.run(draft.for_step(), request, Streams(output=output), self._cancel)
            show(masker.finish())
        if status.cancelled or (self._stopping.is_set() and not status.ok):
            raise Interrupted("the build was interrupted")
        room = machine_help(errno.ENOSPC) if not status.ok and self._store.short_of_room() else ""
        if status.code == 125 and status.message:
            raise MachineError(f"the step could not be set up: {status.message}", help=room or "see `metalor doctor`")
        if not status.ok:
            raise command_failed(
                step,
                code=status.code,
                signal=status.signal,
                timed_out=status.timed_out,
                timeout=action.timeout,
                tail=log.tail,
                log=str(log.path),
                message=status.message,
                room=room,
            )

    def _caches(
        self, stage: PlannedStage, action: Exec, identity: Identity, ref: StepRef, stack: ExitStack
    ) -> Mapping[str, BindSpec]:
        """The mounts of the step's caches, held until `stack` ends."""
        if not any(isinstance(mount, CacheMount) for mount in action.mounts):
            return {}
        from metalor_lang.build.caching import take  # with what reads and writes archives

        return take(
            self._store,
            action,
            stage.platform,
            identity,
            stack,
            on_wait=lambda text: self._events.emit(Notice(text=text, title=ref.title)),
            stop=self._stopping.is_set,
        )

    def _request(
        self,
        stage: PlannedStage,
        action: Exec,
        identity: Identity,
        sources: Mapping[int, Chain],
        caches: Mapping[str, BindSpec],
        stack: ExitStack,
    ) -> StepRequest:
        env = {"PATH": DEFAULT_PATH, "HOME": identity.home, "SOURCE_DATE_EPOCH": str(stage.epoch)}
        env |= dict(action.environment)
        for name, value in action.proxies:
            env.setdefault(name, value)
        return StepRequest(
            guest=stage.platform.arch,
            argv=action.argv,
            env=tuple(sorted(env.items())),
            cwd=action.workdir,
            uid=identity.uid,
            gid=identity.gid,
            groups=identity.groups,
            network=action.network,
            timeout=float(action.timeout) if action.timeout is not None else None,
            grace=self._grace,
            mounts=tuple(self._mount(mount, sources, caches, identity, stack) for mount in action.mounts),
            pipefail=action.default_shell,
            limits=self._limits,
        )

    def _mount(
        self,
        mount: CacheMount | SecretMount | BindMount | TmpfsMount,
        sources: Mapping[int, Chain],
        caches: Mapping[str, BindSpec],
        identity: Identity,
        stack: ExitStack,
    ) -> Mount:
        match mount:
            case TmpfsMount(path=path):
                return TmpfsSpec(target=path)
            case BindMount(stage=None):
                path = self._contexts().bound_path(mount)
                fd = self._contexts().directory(mount.context)
                return BindSpec(target=mount.destination, source=fd, subpath=path, readonly=True)
            case BindMount(stage=index):
                assert index is not None
                return BindSpec(
                    target=mount.destination,
                    source=self._tree(sources[index], stack),
                    subpath=mount.source.strip("/"),
                    readonly=True,
                )
            case CacheMount(path=path):
                return caches[path]
            case SecretMount(name=name, path=path):
                return FileSpec(target=path, content=self._secrets.value(name), uid=identity.uid, gid=identity.gid)
            case _:
                assert_never(mount)

    def _tree(self, chain: Chain, stack: ExitStack) -> LayeredView | int:
        return self._snapshotter.for_step(chain) if chain else stack.enter_context(self._snapshotter.view(chain)).fd


def _viewed(snapshotter: Snapshotter, chain: Chain, stack: ExitStack) -> Root:
    return stack.enter_context(snapshotter.view(chain))
