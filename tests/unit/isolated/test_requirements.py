"""Every requirement line of the reference, and the test that covers it: none may be forgotten or renamed away."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
UNIT, RUN, IMAGE = "unit/isolated/", "integration/test_isolated_run.py", "integration/test_isolated_image.py"
PREFIX, VALIDATE, TARGETS = UNIT + "test_prefix.py", UNIT + "test_validate.py", UNIT + "test_targets.py"
REEXEC, EMULATOR, PRIMITIVES = UNIT + "test_reexec.py", UNIT + "test_emulator.py", UNIT + "test_primitives_lines.py"

REQUIREMENTS: dict[str, tuple[str, str]] = {
    # --- parser primitives
    "significant lines are trimmed; blank lines and comments are dropped; numbers are 1-based": (
        PRIMITIVES, "significant_lines_are_trimmed_and_numbered_from_one"
    ),
    "an identifier begins with _ or an ASCII letter, then _, ASCII letters, digits": (
        PRIMITIVES, "valid_identifier_takes_ascii_letters_digits_and_underscores"
    ),
    "an exec array must start with [": (PRIMITIVES, "an_exec_array_must_start_with_a_bracket"),
    "an exec array must be a JSON array of strings": (PRIMITIVES, "an_exec_array_must_be_a_json_array_of_strings"),
    "an exec array must not be empty": (PRIMITIVES, "an_exec_array_must_not_be_empty"),
    "${NAME} is replaced, any other $ stays": (PRIMITIVES, "braced_names_are_replaced_and_other_dollars_stay"),
    "an open ${ is refused": (PRIMITIVES, "an_unterminated_expansion_is_refused"),
    "a name that is no identifier and no key is refused": (PRIMITIVES, "an_invalid_reference_is_refused"),
    "a missing name is refused": (PRIMITIVES, "an_undefined_name_is_refused"),
    "a key that is no identifier is allowed": (PRIMITIVES, "a_key_that_is_no_identifier_is_allowed"),
    "text that is not ASCII survives": (PRIMITIVES, "text_that_is_not_ascii_survives"),
    "the example of the three primitives together": (PRIMITIVES, "the_reference_s_example"),
    # --- the runtime flow
    "skopeo copies an image into a layout, umoci unpacks it into a bundle under the package root": (
        IMAGE, "an_image_becomes_a_root_under_the_package_root"
    ),
    "the package root lives under the declared prefix": (
        PREFIX, "roots_and_package_roots_stay_under_the_declared_prefix"
    ),
    "the layout is cached per reference and architecture": (
        IMAGE, "the_layout_is_cached_per_reference_and_architecture"
    ),
    "the cache entry records its identity": (
        IMAGE, "the_cache_entry_records_its_identity_and_is_checked_on_reuse"
    ),
    "a bare reference means a registry reference": (IMAGE, "a_bare_reference_means_a_registry_reference"),
    "other transports pass through": (IMAGE, "other_transports_pass_through"),
    "an unsupported architecture is refused before anything is downloaded": (
        IMAGE, "an_unsupported_architecture_is_refused_before_anything_is_downloaded"
    ),
    "the requested architecture is chosen from several": (
        IMAGE, "the_requested_architecture_is_selected_from_a_multi_platform_image"
    ),
    "no emulator for equal architectures": (EMULATOR, "equal_architectures_need_no_emulator"),
    "the right qemu is staged under /.metalor-run and its path inside is given": (
        EMULATOR, "the_right_emulator_is_staged_under_the_helper_directory"
    ),
    "qemu is found in PATH, its symlinks resolved, its mode kept": (
        EMULATOR, "the_emulator_s_symlinks_are_resolved_and_its_mode_is_kept"
    ),
    "a missing qemu: an error naming guest, host and the binary wanted in PATH": (
        EMULATOR, "a_missing_emulator_is_an_error_that_names_guest_host_and_binary"
    ),
    "the re-exec prepares the root and writes its sentinel": (
        REEXEC, "the_root_is_prepared_and_its_sentinel_written"
    ),
    "the outer command's shape": (REEXEC, "the_outer_command_has_exactly_the_reference_s_shape"),
    "METALOR_PRIVATE_NS=1 and METALOR_RUNTIME_ROOT_PREFIX in its environment": (
        REEXEC, "the_outer_command_s_environment_names_isolation_and_prefix"
    ),
    "the private subcommand reconstructs the request": (REEXEC, "the_private_subcommand_reconstructs_the_request"),
    "the private subcommand runs it": (RUN, "the_callers_private_subcommand_runs_the_command"),
    "names, fields and parameters": (UNIT + "test_public_names.py", "the_reference_s_names_are_public"),
    "a cleared environment": (RUN, "the_executed_process_gets_a_cleared_environment"),
    "PATH must be passed": (RUN, "a_bare_command_name_is_searched_in_the_given_path"),
    "resolv.conf and four devices": (RUN, "a_minimal_host_surface_is_bound"),
    "unless the caller mounts over them": (RUN, "an_explicit_mount_wins_over_the_automatic_one"),
    "a fresh /proc": (RUN, "the_command_gets_a_fresh_proc"),
    # --- the safety model
    "roots and package roots stay under a declared prefix": (
        PREFIX, "roots_and_package_roots_stay_under_the_declared_prefix"
    ),
    "never /": (PREFIX, "the_prefix_is_never_the_filesystem_root"),
    "symlinked roots: refused, nothing created": (PREFIX, "a_symlinked_root_is_refused_and_nothing_is_created"),
    "symlinked sentinel: refused, nothing created": (PREFIX, "a_symlinked_sentinel_is_refused_and_nothing_is_created"),
    "symlinked /.metalor-run: refused, nothing created": (
        TARGETS, "a_symlinked_helper_directory_is_refused_and_nothing_is_created"
    ),
    "symlinked mount targets: refused, nothing created": (
        TARGETS, "a_symlinked_mount_target_is_refused_and_nothing_is_created"
    ),
    "symlinked automatic mount targets: refused, nothing created": (
        PREFIX, "a_symlinked_automatic_mount_target_is_refused_and_nothing_is_created"
    ),
    "the same inside, before any mount": (
        RUN, "a_link_planted_after_the_outer_check_is_refused_before_any_mount"
    ),
    "bind sources are validated before the re-exec": (VALIDATE, "bind_sources_are_validated_before_the_re_exec"),
    "mount destinations are validated before the re-exec": (
        VALIDATE, "mount_destinations_are_validated_before_the_re_exec"
    ),
    "cwd is validated before the re-exec": (VALIDATE, "cwd_is_validated_before_the_re_exec"),
    "the executable is absolute or a bare command name": (
        VALIDATE, "the_executable_is_absolute_or_a_bare_command_name"
    ),
    "the emulator is under /.metalor-run": (VALIDATE, "the_emulator_lives_under_the_helper_directory"),
    "environment entries are validated before the re-exec": (
        VALIDATE, "environment_entries_are_validated_before_the_re_exec"
    ),
    "the inner runner refuses the host's mount namespace": (RUN, "the_inner_runner_refuses_the_host_mount_namespace"),
    "the inner runner refuses without METALOR_PRIVATE_NS=1": (
        RUN, "the_inner_runner_refuses_without_metalor_private_ns"
    ),
    "the inner runner refuses a root outside the prefix": (RUN, "the_inner_runner_refuses_a_root_outside_the_prefix"),
    "the inner runner refuses without the matching sentinel": (
        RUN, "the_inner_runner_refuses_without_the_matching_sentinel"
    ),
    # --- requirements and names
    "skopeo and umoci are named when missing": (IMAGE, "a_missing_tool_is_named_before_anything_is_made"),
    "x86_64/amd64, aarch64/arm64, riscv64": (EMULATOR, "the_architectures_and_their_aliases"),
    "an ordinary user can run commands": (
        "integration/test_isolated_ordinary.py", "an_ordinary_user_makes_a_root_and_runs_in_it"
    ),
    "a foreign architecture's programs run with the staged qemu": (
        "integration/test_isolated_foreign.py", "a_foreign_root_runs_with_the_staged_emulator"
    ),
}  # fmt: skip


def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_every_requirement_line_has_its_test(line: str) -> None:
    file, name = REQUIREMENTS[line]
    function = _functions(TESTS / file).get(f"test_{name}")
    assert function is not None, f"{file} has no test_{name} for: {line}"
    words = " ".join(ast.unparse(decorator) for decorator in function.decorator_list)
    assert "skip" not in words and "xfail" not in words
    checks = [node for node in ast.walk(function) if isinstance(node, ast.Assert | ast.With | ast.Call)]
    assert checks, f"test_{name} checks nothing"


def test_the_lines_are_many() -> None:
    assert len(REQUIREMENTS) >= 50
