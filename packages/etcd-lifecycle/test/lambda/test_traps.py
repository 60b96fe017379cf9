"""The list of what keeps the known traps shut names tests that there are."""

import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
LIST = TESTS.parent / "README.md"


def test_each_test_that_the_list_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", LIST.read_text()))
    options = ["--collect-only", "-q", "-o", "addopts=--import-mode=importlib -p no:cacheprovider"]
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(TESTS)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # Each line is "file::test", or "file::test[parameters]".
    there = set(re.findall(r"(\w+)\.py::", listed)) | set(re.findall(r"::(test_\w+)", listed))

    assert named
    assert sorted(named - there) == []
