"""A subject of this folder in an interpreter of its own, driven over a pipe.

Hypothesis itself runs in the development environment; what it drives runs in any interpreter.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
from pathlib import Path


def serve(subject):
    """Do what each line of the input tells, and write the answer: what a subject's interpreter runs."""
    logging.getLogger("python_retry").addHandler(logging.NullHandler())
    logging.getLogger("python_retry").propagate = False
    for line in sys.stdin:
        print(json.dumps(_answer(subject, json.loads(line))), flush=True)


def _answer(subject, request):
    try:
        return subject.answer(*request)
    except Exception:
        return {"error": traceback.format_exc()}


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
