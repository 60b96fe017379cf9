"""Serve function calls of a parent process over one socket, file descriptor 3.

The protocol is one JSON object a line. The parent's first line says what to load; each later line
asks for one call. Standard output and standard error stay with the code that is being run.

It is started in isolated mode (``python -I``) and imports the standard library only, so that the
code under test sees the interpreter as it is. Syntax floor: Python 3.8.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import linecache
import math
import os
import queue
import signal
import sys
import threading
import traceback
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

PROTOCOL_FD = 3
SOURCE_FILENAME = "<source>"
# How long the interpreter may take to end by itself after the parent has closed the socket.
GRACE_SECONDS = 1.0


class RequestError(Exception):
    """The request cannot be served, through no exception of the called code."""

    def __init__(self, kind: str, message: str) -> None:
        """Keep the kind, an exception type's name, beside the message."""
        super().__init__(message)
        self.kind = kind


class _NonJson:
    """Marks a dictionary's key, which JSON can carry only if it is a string."""

    def __init__(self, value: object) -> None:
        self.value = value


class Frames:
    """Decides which frames of a traceback belong to the code under test."""

    def __init__(self, roots: list[str]) -> None:
        """Take the directories that hold the code under test."""
        self._roots = [os.path.realpath(root) + os.sep for root in roots]

    def is_users(self, filename: str) -> bool:
        """Tell whether a frame of this file is to be shown."""
        if filename == SOURCE_FILENAME:
            return True
        path = os.path.realpath(filename)
        return any(path.startswith(root) for root in self._roots)

    def describe(self, error: BaseException) -> dict[str, str]:
        """Turn an exception into its type, its message and its trimmed traceback."""
        summary = traceback.TracebackException(type(error), error, error.__traceback__)
        self._trim(summary, set())
        kind = type(error)
        name = kind.__qualname__
        if kind.__module__ not in ("builtins", "__main__"):
            name = f"{kind.__module__}.{name}"
        return {"type": name, "message": _text_of(error), "traceback": "".join(summary.format())}

    def _trim(self, summary: traceback.TracebackException, seen: set[int]) -> None:
        if id(summary) in seen:
            return
        seen.add(id(summary))
        outside = [frame for frame in summary.stack if frame.filename != __file__]
        users = [frame for frame in outside if self.is_users(frame.filename)]
        summary.stack[:] = users
        linked = [summary.__cause__, summary.__context__]
        # Exception groups exist from Python 3.11 on.
        linked.extend(getattr(summary, "exceptions", None) or [])
        for other in linked:
            if other is not None:
                self._trim(other, seen)


def _text_of(error: BaseException) -> str:
    """Return ``str(error)``, or a placeholder where ``__str__`` itself fails."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 -- __str__ of the code under test may raise anything
        return f"<{type(error).__name__}.__str__() raised {type(failure).__name__}>"


def _compile(source: str) -> types.CodeType:
    """Compile a source text so that its lines can be shown in tracebacks."""
    linecache.cache[SOURCE_FILENAME] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        SOURCE_FILENAME,
    )
    return compile(source, SOURCE_FILENAME, "exec", dont_inherit=True)


def _load_source(source: str, name: str) -> types.ModuleType:
    """Execute a source text as the module ``name``."""
    module = types.ModuleType(name)
    module.__file__ = SOURCE_FILENAME
    # Dataclasses and typing look the module of a class up by its name.
    sys.modules[name] = module
    exec(_compile(source), module.__dict__)
    return module


def _run_as_main(source: str, frames: Frames) -> None:
    """Run a source text as a script; return only if it ends without an exception."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = [SOURCE_FILENAME]
    try:
        exec(_compile(source), module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 -- reported as the interpreter itself would do
        sys.stderr.write(frames.describe(error)["traceback"])
        sys.exit(1)


def _public_callables(owner: object) -> list[str]:
    names = [name for name in dir(owner) if not name.startswith("_")]
    return [name for name in names if callable(getattr(owner, name, None))]


def _resolve(name: str, default_module: types.ModuleType | None) -> Callable[..., Any]:
    """Find ``[module:]attribute.path``."""
    module_name, colon, path = name.rpartition(":")
    if colon:
        owner: Any = importlib.import_module(module_name)
    elif default_module is not None:
        owner = default_module
    else:
        message = (
            f"no module was named at the start, so '{name}' must be written as 'module:function'"
        )
        raise RequestError("LookupError", message)
    for part in path.split("."):
        try:
            value = getattr(owner, part)
        except AttributeError:
            label = getattr(owner, "__name__", type(owner).__name__)
            there = ", ".join(_public_callables(owner)) or "nothing callable"
            message = f"'{label}' has no attribute '{part}'; it has: {there}"
            raise RequestError("AttributeError", message) from None
        owner = value
    if not callable(owner):
        message = f"'{name}' is of type {type(owner).__name__}, which cannot be called"
        raise RequestError("TypeError", message)
    result: Callable[..., Any] = owner
    return result


def _parts(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield the items of a container, and its keys that are no strings, each with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"a key of {path}", _NonJson(key)
            yield f"{path}[{key!r}]", item
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item


def _first_non_json(value: object, path: str) -> tuple[str, object] | None:
    """Find the first part of a value that JSON cannot carry."""
    if isinstance(value, _NonJson):
        return path, value.value
    if isinstance(value, (dict, list, tuple)):
        found = (_first_non_json(part, part_path) for part_path, part in _parts(value, path))
        return next((one for one in found if one is not None), None)
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float) and math.isfinite(value):
        return None
    return path, value


def _check_json(name: str, value: object) -> None:
    try:
        found = _first_non_json(value, "result")
    except RecursionError:
        message = f"'{name}' returned a value that contains itself or is nested too deeply for JSON"
        raise RequestError("TypeError", message) from None
    if found is None:
        return
    path, part = found
    what = f"{part!r} of type {type(part).__name__}"
    message = (
        f"'{name}' returned a value that JSON cannot carry: {path} is {what}. "
        "Return None, booleans, finite numbers, strings, lists, and dicts with string keys."
    )
    raise RequestError("TypeError", message)


async def _await(awaitable: Any) -> Any:  # noqa: ANN401 -- any awaitable, any result
    return await awaitable


def _call(request: dict[str, Any], module: types.ModuleType | None) -> object:
    name = request["function"]
    function = _resolve(name, module)
    value = function(*request["args"], **request["kwargs"])
    if inspect.isawaitable(value):
        value = asyncio.run(_await(value))
    _check_json(name, value)
    return value


def _read_requests(reader: io.BufferedReader, requests: queue.Queue[bytes | None]) -> None:
    """Feed the main thread, and end the process when the parent is gone.

    The parent may be killed while a call runs; nobody would stop an endless loop then. The whole
    process group goes, so that what the code under test has started goes too.
    """
    for line in reader:
        requests.put(line)
    requests.put(None)
    threading.Event().wait(GRACE_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _answer(writer: io.BufferedWriter, answer: dict[str, Any]) -> None:
    for stream in (sys.stdout, sys.stderr):
        # The code under test may have closed or replaced them.
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    writer.write(json.dumps(answer).encode() + b"\n")
    writer.flush()


def _guarded(action: Callable[[], object], frames: Frames) -> dict[str, Any]:
    try:
        return {"value": action()}
    except RequestError as error:
        return {"error": {"type": error.kind, "message": str(error), "traceback": ""}}
    except BaseException as error:  # noqa: BLE001 -- also SystemExit: the parent must get an answer
        return {"error": frames.describe(error)}


def main() -> None:
    """Load what the first line names, then answer calls until the socket is closed."""
    os.set_inheritable(PROTOCOL_FD, False)  # noqa: FBT003 -- it takes no keyword
    reader = os.fdopen(os.dup(PROTOCOL_FD), "rb")
    writer = os.fdopen(PROTOCOL_FD, "wb")
    requests: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read_requests, args=(reader, requests), daemon=True).start()

    first = requests.get()
    if first is None:
        return
    setup = json.loads(first)
    sys.path[:0] = setup["path"]
    frames = Frames(setup["path"])
    if setup["mode"] == "main":
        _run_as_main(setup["source"], frames)
        return

    module: types.ModuleType | None = None

    def load() -> None:
        nonlocal module
        if setup["source"] is not None:
            module = _load_source(setup["source"], setup["module"])
        elif setup["module"] is not None:
            module = importlib.import_module(setup["module"])

    _answer(writer, _guarded(load, frames))
    while True:
        line = requests.get()
        if line is None:
            return
        request = json.loads(line)
        _answer(writer, _guarded(functools.partial(_call, request, module), frames))


if __name__ == "__main__":
    main()
