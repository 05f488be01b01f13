"""Options and operands that several subcommands have.

Invariant: an option that two subcommands share is written here once.
"""

from metalor_lang.cli.table.model import Operand, Option, Value
from metalor_lang.hints import Final

PROGRESS: Final = ("auto", "plain", "tty", "json")

RECIPE = Operand(name="RECIPE", help="the recipe file; `-` reads standard input", value=Value.RECIPE)
ARG = Option(
    name="--arg", metavar="NAME=VALUE", repeat=True, help="value of an ARG; NAME alone takes it from the environment"
)
SECRET = Option(
    name="--secret",
    metavar="NAME=FILE",
    repeat=True,
    help="what `--secret=NAME` of a step shows: a file, or a variable as NAME=env:VARIABLE",
)
CONTEXT = Option(
    name="--context",
    metavar="[NAME=]DIR",
    repeat=True,
    value=Value.DIRECTORY,
    help="folder that COPY reads; without NAME the default context (else the recipe's folder)",
)
BASE = Option(
    name="--base",
    metavar="NAME=oci:DIR[:TAG]",
    repeat=True,
    help="a local image that stands for what a Dockerfile's FROM names",
)
TARGET = Option(name="--target", metavar="STAGE", help="build this stage (else the last one)")
PLATFORM = Option(name="--platform", metavar="OS/ARCH", help="platform of the image, such as linux/amd64")
EPOCH = Option(name="--epoch", metavar="SECONDS", help="newest time in the image, or `now` (else the base's creation)")
FORMAT = Option(name="--format", metavar="FORMAT", help="how to print", choices=("human", "json"), default="human")
LANGUAGE = (ARG, CONTEXT, TARGET, PLATFORM)
STORE = Option(
    name="--store",
    metavar="DIR",
    value=Value.DIRECTORY,
    help="the store (else $METALOR_STORE, else ~/.cache/metalor)",
)
PROGRESS_OPTION = Option(
    name="--progress", metavar="HOW", choices=PROGRESS, default="auto", help="live lines, plain lines, or JSON lines"
)
RAW = Option(name="--raw", help="pass control characters of a step's output through to the terminal")
UNPACKER = Option(
    name="--unpacker", metavar="NAME", choices=("own", "umoci"), default="own", help="who unpacks base images"
)
COMPRESSION = Option(
    name="--compression",
    metavar="NAME",
    choices=("gzip", "zstd", "none"),
    default="gzip",
    help="of the new layers",
)
BACKEND = Option(
    name="--backend",
    metavar="NAME",
    choices=("auto", "userns", "rootless", "privileged"),
    help="who steps are on this machine (else $METALOR_BACKEND, else the best: see `metalor doctor`)",
)
NETWORK_NOTE = "Registry references are fetched with skopeo; everything else is local."
PLATFORMS = Option(
    name="--platform",
    metavar="P[,P]",
    help="platforms of the image, such as linux/amd64,linux/arm64; several make one OCI index",
)
LOCKED = Option(
    name="--locked",
    help="refuse whatever the lock beside the recipe does not have (else that is resolved as without a lock)",
)
LIMITS = (
    Option(name="--memory", metavar="SIZE", help="what a step may use at the most, such as 2G (else no limit)"),
    Option(name="--processes", metavar="N", integer=True, help="how many processes a step may have at once"),
)
BUILDING = (
    SECRET,
    EPOCH,
    LOCKED,
    Option(name="--no-cache", help="run every step anew"),
    Option(name="--expect-cached", help="fail at the first step that is not in the cache"),
    Option(name="--no-tests", help="leave TEST statements out and list them"),
    Option(
        name="--jobs", short="-j", metavar="N", integer=True, help="how many stages and tests at once (else one a CPU)"
    ),
    UNPACKER,
    PROGRESS_OPTION,
    RAW,
    *LIMITS,
    BACKEND,
    STORE,
)
