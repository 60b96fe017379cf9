"""What a stored state says: the one place of these tests that knows its fields."""

from __future__ import annotations


def phase_of(state):
    """Return the state of the circuit; without an item it is closed."""
    return state["phase"] if state else "CLOSED"


def tickets_of(state):
    """Return the names of the probes that hold a place, those of earlier openings included."""
    return {ticket for ticket, _, _ in (state["waits"] if state else ()) if ticket > 0}


def opened_at(state):
    """Return when an open circuit opened, in seconds of the wall clock of who opened it."""
    (_, start, _), *_ = state["waits"]
    return start
