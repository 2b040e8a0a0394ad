"""The circuit breaker: after many failures in a row, nothing more is asked.

>>> from pytest_crossmath.tasks.request import make_request
>>> from pytest_crossmath.tasks.suite import load_suite
>>> from pytest_crossmath.tasks.task import Form
>>> request = make_request(load_suite("mini").tasks[0], Form.parse("text"))
>>> circuit = Circuit(2)
>>> for said in ("the server answered 500: no", "the connection was lost"):
...     circuit.count(request, BackendError(said))
>>> str(circuit.broken_for(request))
'gave up after 2 failures in a row; the last: the connection was lost'

Failures are counted in the order in which they arrive, one a request, whatever their kind, and a
response resets the count. If all of them had pictures, requests without pictures go on until the
first of these fails too: a model that cannot see may still read. Once broken, a circuit stays
broken: a server that comes back is asked again by the next run, which finds the responses so far
in the cache.
"""

from __future__ import annotations

from pytest_crossmath.errors import BackendError
from pytest_crossmath.tasks.request import Request

GIVE_UP = 10
"""Failures in a row after which nothing more is asked, unless the user sets another number."""


class UnfitRequestError(BackendError):
    """A request that cannot be asked as it is: this says nothing about the others."""


class GaveUpError(BackendError):
    """A request that was not asked, since too many before it failed."""


class Circuit:
    """Counts failures in a row, and breaks for requests with pictures, without, or both."""

    def __init__(self, give_up: int) -> None:
        """A circuit that breaks at the given number of failures in a row; 0 for never."""
        self._give_up = give_up
        self._row: set[bool] = set()
        self._broken: dict[bool, GaveUpError] = {}
        self.failures = 0
        """Failures since the last response."""

    def broken_for(self, request: Request) -> GaveUpError | None:
        """The error of a request that is not to be asked; None while the circuit holds for it."""
        return self._broken.get(bool(request.pictures))

    def count(self, request: Request, error: BackendError | None) -> None:
        """Count a request that has failed, or its response if there is no error."""
        pictured = bool(request.pictures)
        if error is None:
            self.failures = 0
            self._row.clear()
        elif isinstance(error, GaveUpError):
            self._broken.setdefault(pictured, error)
        elif not isinstance(error, UnfitRequestError):
            self.failures += 1
            self._row.add(pictured)
            # A model that cannot see may still read; one that can do neither is tried no further.
            limit = 1 if self._broken and self._give_up else self._give_up
            if limit and self.failures >= limit:
                plural = "s" if self.failures > 1 else ""
                gave_up = GaveUpError(
                    f"gave up after {self.failures} failure{plural} in a row; the last: {error}"
                )
                for kind in self._row:
                    self._broken.setdefault(kind, gave_up)
