"""A cache that learns without ever having been asked is written, too."""

import os
import time

from metalor_lang.build.statcache import StatCache


def test_what_is_learned_without_a_question_is_kept(tmp_path):
    file = tmp_path / "file"
    file.write_text("content")
    os.utime(file, (1, 1))
    info = os.stat(file)
    while time.time_ns() - info.st_ctime_ns < 2_500_000_000:
        time.sleep(0.1)
    for _ in range(2):  # the second one finds a file that is there
        cache = StatCache(tmp_path / "cache")
        cache.remember(info, "a" * 64)
        cache.save()
    assert StatCache(tmp_path / "cache").digest(info) == "a" * 64
