"""The circuit breaker: after many failures in a row, nothing more is asked.

>>> circuit = Circuit(2)
>>> for said in ("the server answered 500: no", "the connection was lost"):
...     circuit.count(BackendError(said))
>>> str(circuit.broken)
'gave up after 2 failures in a row; the last: the connection was lost'

Failures are counted in the order in which they arrive, one a request, whatever their kind, and a
response resets the count. Once broken, a circuit stays broken: a server that comes back is asked
again by the next run, which finds the responses so far in the cache.
"""

from __future__ import annotations

from pytest_crossmath.errors import BackendError

GIVE_UP = 10
"""Failures in a row after which nothing more is asked, unless the user sets another number."""


class UnfitRequestError(BackendError):
    """A request that cannot be asked as it is: this says nothing about the others."""


class GaveUpError(BackendError):
    """A request that was not asked, since too many before it failed."""


class Circuit:
    """Counts failures in a row."""

    def __init__(self, give_up: int) -> None:
        """A circuit that breaks at the given number of failures in a row; 0 for never."""
        self._give_up = give_up
        self.failures = 0
        """Failures since the last response."""
        self.broken: GaveUpError | None = None
        """The error of every request that is not asked any more; None while the circuit holds."""

    def count(self, error: BackendError | None) -> None:
        """Count a request that has failed, or a response if there is no error."""
        if error is None:
            self.failures = 0
        elif isinstance(error, GaveUpError):
            self.broken = self.broken or error
        elif not isinstance(error, UnfitRequestError):
            self.failures += 1
            if self.failures == self._give_up and self.broken is None:
                plural = "s" if self.failures > 1 else ""
                self.broken = GaveUpError(
                    f"gave up after {self.failures} failure{plural} in a row; the last: {error}"
                )
