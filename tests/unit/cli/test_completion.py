import shutil
import subprocess

import pytest

from metalor_lang.cli.commands.completion import SCRIPTS
from metalor_lang.cli.table import COMMANDS


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_every_command_option_and_choice_is_in_the_script(shell):
    script = SCRIPTS[shell]()
    for command in COMMANDS:
        assert command.name in script
        for option in command.options:
            spelled = f"-l {option.name[2:]}" if shell == "fish" else option.name
            assert spelled in script
            for choice in option.choices:
                assert choice in script


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_the_shell_accepts_its_script(shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([program, "-n"], input=SCRIPTS[shell](), text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("metalor bu", {"build"}),
        ("metalor build --expe", {"--expect-cached"}),
        ("metalor build --progress js", {"json"}),
        ("metalor cache ver", {"verify"}),
    ],
)
def test_bash_completes(line, expected):
    words = line.split()
    program = shutil.which("bash")
    assert program is not None
    script = (
        SCRIPTS["bash"]()
        + f"\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _metalor\n"
        + "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        [program, "--norc", "-c", script], text=True, capture_output=True, check=True, cwd="/proc/self"
    )
    assert set(done.stdout.split()) == expected
