"""The errors that this package raises on purpose, and how errors leave it without a secret."""

from __future__ import annotations

import signal
from types import CodeType, TracebackType
from typing import Any, Callable, List, Optional, TypeVar

_Result = TypeVar("_Result")
_PACKAGE = __name__.rpartition(".")[0]

# What helps a job whose definition holds what the stack has changed since.
NEW_DEFINITION = "run `make job` and submit again"


class CredentialsError(Exception):
    """Base of all that this package raises on purpose. The message says what to do.

    is_outage says whether the reason may pass by itself: Vault is away, sealed or overloaded. The
    last value may be used meanwhile. A refusal is no outage.
    """

    is_outage = False

    def again(self) -> CredentialsError:
        """The same error for another thread: each has a traceback of its own."""
        copy = type(self)(*self.args)
        copy.is_outage = self.is_outage
        return copy


class SettingsError(CredentialsError):
    """Settings are missing or wrong. All problems are listed, and nothing was sent."""


class IdentityError(CredentialsError):
    """There is no identity, it is another's, or its token is not for Vault."""


class LoginError(CredentialsError):
    """Vault refused the login."""


class ReadError(CredentialsError):
    """Vault refused a credential, has none at its path, or answered with nonsense."""


class UnreachableError(CredentialsError):
    """A server is not there, not the one meant, sealed, or overloaded."""

    is_outage = True


def shielded(work: Callable[..., _Result], *arguments: object) -> _Result:
    """Call work. Every error leaves without the frames of this package.

    Their variables hold tokens and values, and error trackers collect the variables of a traceback.
    An error of somebody else, such as Ctrl-C or what a signal's handler raised, is passed on as it
    is, with that handler's own frames.
    """
    try:
        return work(*arguments)
    except BaseException as error:
        problem = error
    if isinstance(problem, CredentialsError):
        problem.__cause__ = problem.__context__ = None
        raise problem.with_traceback(None)
    _cut_off_own_causes(problem)
    raise problem.with_traceback(_handlers_part(problem.__traceback__))


def is_from_handler(error: BaseException) -> bool:
    """Whether a signal's handler raised error: a time limit of the job, which is not ours to judge.

    The type does not tell. A handler may well raise TimeoutError, as a socket does.
    """
    return _handlers_part(error.__traceback__) is not None


def _handlers_part(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """The part of a traceback that begins with a signal's handler; None when there is none."""
    handlers = _handlers()
    while trace is not None and trace.tb_frame.f_code not in handlers:
        trace = trace.tb_next
    return trace


def _handlers() -> List[CodeType]:
    """The code of every signal handler that is written in Python."""
    found = []
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # of functools.partial
        if not hasattr(handler, "__code__"):
            handler = getattr(handler, "__call__", handler)  # of an object that can be called
        code = getattr(handler, "__code__", None)
        if isinstance(code, CodeType):
            found.append(code)
    return found


def _cut_off_own_causes(error: BaseException) -> None:
    """Forget what this package was handling when error came: its frames hold tokens."""
    while error.__context__ is not None:
        if _passes_through_us(error.__context__.__traceback__):
            error.__context__ = None
            return
        error = error.__context__


def _passes_through_us(trace: Optional[TracebackType]) -> bool:
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith(_PACKAGE + "."):
            return True
        trace = trace.tb_next
    return False
