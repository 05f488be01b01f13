import threading
from pathlib import Path

from metalor_lang.oci.placing import own_folder


def test_a_folder_is_held_by_one_after_the_other(tmp_path: Path) -> None:
    """Each finds it made, held or just removed by others: none may fail, and none may find another's files."""
    wrong: list[object] = []

    def work() -> None:
        try:
            for _ in range(50):
                with own_folder(tmp_path / "folder") as folder:
                    wrong.extend(folder.iterdir())
                    (folder / "mine").touch()
        except OSError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list(tmp_path.iterdir()) == []
