"""A subject of this folder in an interpreter of its own, driven over a pipe.

Hypothesis itself runs in the development environment; what it drives runs in any interpreter.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path


def serve(subject, lines, write):
    """Do what each line tells, and write the answer: what a subject's interpreter runs."""
    for line in lines:
        write(json.dumps(subject.answer(*json.loads(line))))


class Remote:
    """Calls a subject: `remote(command, *arguments)` returns its answer."""

    def __init__(self, python, directory, subject):
        path = [directory, str(Path(__file__).parent)]
        begin = f"import sys; sys.path[:0] = {path!r}; import {subject} as s; s.main()"
        self.process = subprocess.Popen(
            [python, "-I", "-W", "error", "-c", begin],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the subject ended with {self.process.wait()}")
        answer = json.loads(line)
        if isinstance(answer, dict):
            raise RuntimeError(f"the subject failed:\n{answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
