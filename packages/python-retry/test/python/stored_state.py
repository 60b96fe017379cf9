"""What a stored state says: the one place of these tests that knows its fields."""

from __future__ import annotations


def phase_of(state):
    """Return the state of the circuit; without an item it is closed."""
    return state["phase"] if state else "CLOSED"


def tickets_of(state):
    """Return the names of the probes that hold a place."""
    waits = state["waits"] if phase_of(state) == "HALF_OPEN" else ()
    return {ticket for ticket, _, _ in waits}


def opened_at(state):
    """Return when an open circuit opened, in seconds of the wall clock of who opened it."""
    ((_, start, _),) = state["waits"]
    return start
