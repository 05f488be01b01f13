"""What a stage begins with, and what is said when it cannot begin."""

from metalor_lang.build.failures import BuildFailed, Interrupted, sayable
from metalor_lang.build.model import Chain, Performer
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.plan.graph import PlannedStage


def unpacked_base(performer: Performer, stage: PlannedStage) -> Chain:
    """The chain of a stage's image or tree; raises BuildFailed, Interrupted."""
    try:
        return performer.base(stage)
    except (BuildFailed, Interrupted):
        raise
    except InterruptedError:
        raise Interrupted("the build was interrupted") from None
    except (MetalorError, OSError) as error:
        shown = sayable(error)
        # No room on the disk is no damage of the image.
        code = "E0609" if isinstance(shown, MachineError) else "E0503"
        diagnostic = Diagnostic(code=code, message=shown.message, span=stage.span, help=shown.help)
        raise BuildFailed(diagnostic, reason=shown.message, exit=shown.exit) from error
