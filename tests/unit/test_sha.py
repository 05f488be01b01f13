import hashlib
import subprocess
import sys

import pytest

from metalor_lang import sha


@pytest.mark.parametrize("size", [0, 3, sha.LITTLE, sha.LITTLE + 1, None])
def test_whoever_hashes_the_digest_is_the_same(size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * ((size or 1000) // 256 + 1)
    monkeypatch.delitem(sys.modules, "hashlib")
    hasher = sha.new_hash(size)
    hasher.update(data)
    assert (hasher.hexdigest(), hasher.digest()) == (hashlib.sha256(data).hexdigest(), hashlib.sha256(data).digest())


def test_little_is_hashed_without_openssl_and_much_with_it() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}; from metalor_lang.sha import *; new_hash(5)\n"
    code += "first = '_hashlib' in sys.modules; new_hash(); sys.exit(first * 2 + ('_hashlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False).returncode == 1


def test_a_python_without_hashes_of_its_own_hashes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hashlib")
    sha._own.cache_clear()
    monkeypatch.setitem(sys.modules, "_sha2" if sys.version_info >= (3, 12) else "_sha256", None)
    assert sha.new_hash(3).hexdigest() == hashlib.sha256().hexdigest()
    sha._own.cache_clear()
