"""One life of a client: the values that it holds, and the one refresh at a time that renews them.

What a held value may be, and what a caller gets who asks for it:

    fresh   for ttl seconds after it was read, or two thirds of its lease, or until Vault rotates
            it. Every caller gets it at once, without a lock.
    held    after that, until its lease ends or, without one, for max_stale seconds more.
            - While Vault is known to be away, every caller gets it at once.
            - The first caller refreshes it, with one try. If Vault is away it gets the held value,
              and the outage is known for the next PAUSE seconds at most.
            - A second caller meanwhile gets the held value at once, unless Vault has surely changed
              it: a static role's after its rotation. Then it waits for the refresh.
            - With a lease and a background thread nobody waits at all: the lease holds.
    gone    after that; or it was never read, or Vault refused it (403, 404). Nobody gets it. The
            first caller refreshes it with all the tries that VAULT_DEADLINE allows. All others wait
            for that one refresh and share its end, a failure too.

Who refreshes: the background thread, when a value that is in use has passed two thirds of its ttl
or of its lease, and during an outage every PAUSE seconds. So callers of a value in use never meet
the network. Where there is no such thread, or the value was not in use, the caller does.

How: a value with a lease that can be renewed stays, and its lease is prolonged. Whatever else is
due is read anew, and so is a value whose lease Vault no longer prolongs, or by less than is of use.

A lease is never exceeded. An explicit refusal is no outage: the value is forgotten. A refusal to
renew is none of these: it only leads to a read, and is remembered for the rest of the life.

A refresh is a Flight. At most one is under way, so the session has one user. It has an end even if
the thread that flies it is lost: after VAULT_DEADLINE and one timeout another one begins.

close() and a fork end a life. Whatever is under way then finishes on the life that it began with
and leaves nothing in the next one.
"""

from __future__ import annotations

import queue
import random
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set

from . import clock, transport
from .clock import Budget
from .credential import Credential
from .errors import CredentialsError, ReadError, UnreachableError
from .identity import Identity
from .session import PAUSE, RENEW_AT, Lease, Reading, Report, Session
from .settings import Settings

# Guards the fields of every keeper, for moments only and never during a request. There is one, it
# is never replaced, and a fork happens only while nobody else has it. A signal's handler may use
# the client in the middle of anything, so whoever has it may take it again.
LOCK = threading.RLock()

# Seconds until the background thread looks again at a static role's value that Vault is about to
# rotate, and at whether somebody else's refresh has ended.
SOON = 1.0
_NEVER = float("inf")


class Entry:
    """A value and its times, by clock.now()."""

    __slots__ = (
        "credential",
        "lease",
        "asked_at",
        "due_at",
        "fresh_until",
        "gone_at",
        "rotates_at",
        "is_in_use",
    )

    def __init__(self, reading: Reading, ttl: float, max_stale: float) -> None:
        self.credential = reading.credential
        self.lease: Optional[Lease] = reading.lease
        self.asked_at = reading.asked_at
        self.is_in_use = False  # asked for since it was read
        fresh_for = ttl
        due_after = ttl * RENEW_AT or _NEVER
        if reading.lease:
            fresh_for = due_after = reading.lease.seconds * RENEW_AT
        elif reading.rotates_in is not None:
            fresh_for = min(ttl, reading.rotates_in)
            due_after = min(due_after, max(reading.rotates_in, SOON))
        self.due_at = self.asked_at + due_after
        self.fresh_until = self.asked_at + fresh_for
        if reading.lease:
            self.gone_at = self.asked_at + reading.lease.seconds
        else:
            self.gone_at = self.fresh_until + max_stale
        self.rotates_at = _NEVER
        if reading.rotates_in is not None:
            self.rotates_at = self.asked_at + reading.rotates_in

    def is_fresh(self, now: float) -> bool:
        return now < self.fresh_until

    def is_gone(self, now: float) -> bool:
        return now >= self.gone_at


class Flight:
    """One refresh: what it asks for, and how it ended for all who wait."""

    def __init__(
        self, session: Session, names: Sequence[str], is_anew: bool, begun: float, lost_at: float
    ) -> None:
        """is_anew: only what Vault says now will do, no value that is held."""
        self.session = session
        self.names = names
        self.is_anew = is_anew
        self.begun = begun
        self.lost_at = lost_at
        self._error: Optional[CredentialsError] = None
        self._refused: Optional[str] = None
        self._landed = threading.Event()
        self._callbacks: List[Callable[[], object]] = []

    def wait(self, seconds: float) -> bool:
        """Wait for its end so long at most. Returns whether it came."""
        return self._landed.wait(seconds)

    def when_landed(self, callback: Callable[[], object]) -> None:
        """Call callback at its end, in whatever thread."""
        with LOCK:
            if not self._landed.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def land(self, error: Optional[CredentialsError] = None, refused: Optional[str] = None) -> None:
        """End. refused is the name that an error is about; None if it is about all."""
        with LOCK:
            self._error = error
            self._refused = refused
            self._landed.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def raise_failure(self, names: Sequence[str]) -> None:
        """Raise the error that it ended with, if that regards one of names."""
        error = self._error
        if error and (self._refused is None or self._refused in names):
            raise error.again()


class Outage:
    """What is known of Vault being away: the names that could not be read, and a time to rest.

    One path may fail while all others answer: its engine's database is down. So an outage regards
    every name until one is read, and after that those that could not be.
    """

    def __init__(self) -> None:
        self.names: Set[str] = set()
        self.until = float("-inf")  # by clock.now(); Vault is asked again then
        self._regards_all = False

    def regards(self, name: str) -> bool:
        """Whether Vault is known to be away for whoever asks for name."""
        return name in self.names or self._regards_all

    def begin(self, name: str, now: float) -> bool:
        """Note that name could not be read. Returns whether that is news."""
        is_new = not self.names
        self.names.add(name)
        self._regards_all = True
        self.until = now + PAUSE * random.uniform(0.5, 1.0)  # not with all other nodes
        return is_new

    def end(self, name: str) -> bool:
        """Note that Vault answered for name. Returns whether the whole outage is over by that."""
        was_away = bool(self.names)
        self.names.discard(name)
        self._regards_all = False
        if self.names:
            return False
        self.until = float("-inf")
        return was_away


class Turn(NamedTuple):
    """What a caller has to do: use values, or wait for a flight, or fly it where leads is True."""

    values: Optional[Dict[str, Credential]] = None
    flight: Optional[Flight] = None
    leads: bool = False


class Keeper:
    """The values of one life of a client. Any thread may use it."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        report: Report,
        ttl: float,
        max_stale: float,
        has_thread: bool,
    ) -> None:
        """ttl and max_stale are seconds. has_thread: values are refreshed in the background."""
        self._settings = settings
        self._identity = identity
        self._report = report
        self._ttl = ttl
        self._max_stale = max_stale
        self._has_thread = has_thread
        self._session = Session(settings, identity, report)
        self._entries: Dict[str, Entry] = {}
        self._flight: Optional[Flight] = None
        self._outage = Outage()
        self._closed = False
        self._revokes = False  # the token, at the end of the life
        self._is_dropped = False
        self.owner: Optional[Any] = None  # a weak reference to the client; see client.py
        self._thread: Optional[threading.Thread] = None
        # What the thread waits for: a flight to fly, or None to look around. A SimpleQueue may be
        # filled by a destructor or a signal's handler, too.
        self._orders: "queue.SimpleQueue[Optional[Flight]]" = queue.SimpleQueue()

    def fresh(self, name: str) -> Optional[Credential]:
        """The value if it is fresh: the quick way, without a lock. Else None."""
        entry = self._entries.get(name)
        now = clock.now()
        if entry is None or not entry.is_fresh(now):
            return None
        if self._has_thread and self._thread is None:
            return None  # a forked process has none yet
        self._note_use(entry)
        return entry.credential

    def read(self, names: Sequence[str], is_anew: bool, budget: Budget) -> Dict[str, Credential]:
        """The credentials with these names; is_anew: read from Vault from now on, not before.

        Raises CredentialsError.
        """
        since = clock.now()
        while True:
            turn = self.take_turn(names, since, is_anew)
            if turn.values is not None:
                return turn.values
            assert turn.flight is not None
            if turn.leads:
                self.fly(turn.flight, budget)
                continue
            if not turn.flight.wait(budget.left()):
                raise late(names)
            turn.flight.raise_failure(names)
            if not is_anew:
                since = min(since, turn.flight.begun)

    def take_turn(self, names: Sequence[str], since: float, is_anew: bool) -> Turn:
        """What the caller has to do. Values read after since will do whatever their state is."""
        now = clock.now()
        with LOCK:
            self._start_thread()
            lacking = [name for name in names if not self._will_do(name, now, since, is_anew)]
            if not lacking:
                return Turn(values={name: self._use(name, since) for name in names})
            if self._is_flying(now):
                return Turn(flight=self._flight)
            return Turn(flight=self._begin(lacking, is_anew, now), leads=True)

    def hand_over(self, flight: Flight) -> None:
        """Let the thread fly, for a caller that must not wait: an async client."""
        with LOCK:
            self._start_thread(is_needed=True)
            has_thread = self._is_watched()
        if has_thread:
            self._orders.put(flight)
        else:
            self._end(flight)
            flight.land(CredentialsError("no thread can be started here to ask Vault"))

    def fly(self, flight: Flight, budget: Budget) -> None:
        """Refresh what the flight names, and tell all who wait. Raises CredentialsError."""
        error: Optional[CredentialsError] = None
        refused: Optional[str] = None
        try:
            for name in flight.names:
                refused = name
                self._refresh(flight, name, budget)
        except CredentialsError as problem:
            error = problem
            raise
        except Exception as problem:
            # In a thread that waits itself it is the next who takes over, as after Ctrl-C.
            if threading.current_thread() is self._thread:
                error = CredentialsError(f"a refresh ended with {type(problem).__name__}")
            raise
        finally:
            self._end(flight)
            flight.land(error, refused if isinstance(error, ReadError) else None)

    def close(self, keeps_leases: bool) -> None:
        """End this life: hang up, and revoke the token unless leases hang on it."""
        with LOCK:
            has_leases = any(entry.lease for entry in self._entries.values())
            self._revokes = not (keeps_leases and has_leases)
            self._closed = True
            self._entries = {}
            is_used = self._is_flying(clock.now())
        self._orders.put(None)
        if not is_used:  # else whoever flies ends the session
            self._session.end(self._revokes)

    def stop(self) -> None:
        """End the thread, which hangs up: the client was dropped without a close()."""
        self._is_dropped = True
        self._closed = True
        self._orders.put(None)

    def after_fork(self) -> Keeper:
        """The keeper of a child process, called in it while no other thread runs.

        It starts with the values that last. Connection, token and what hangs on it, the leases,
        stay with the parent.
        """
        self._session.abandon()
        child = Keeper(
            self._settings,
            self._identity,
            self._report,
            self._ttl,
            self._max_stale,
            self._has_thread,
        )
        if not self._closed:
            entries = self._entries.items()
            child._entries = {name: entry for name, entry in entries if entry.lease is None}
            child._outage = self._outage
        return child

    def _will_do(self, name: str, now: float, since: float, is_anew: bool) -> bool:
        """Whether a caller gets the value as it is. See the states in this file's docstring."""
        entry = self._entries.get(name)
        if entry is None or entry.is_gone(now):
            return False
        if entry.asked_at >= since:
            return True
        if is_anew:
            return False
        if entry.is_fresh(now):
            return True
        is_watched = self._has_thread and self._is_watched()
        if self._outage.regards(name) and (is_watched or now < self._outage.until):
            return True
        if entry.lease:
            return is_watched or self._is_flying(now)
        return self._is_flying(now) and now < entry.rotates_at

    def _use(self, name: str, since: float) -> Credential:
        """The value. That of a caller's own read counts as in use when it is asked for again."""
        entry = self._entries[name]
        if entry.asked_at < since:
            self._note_use(entry)
        return entry.credential

    def _note_use(self, entry: Entry) -> None:
        """Remember that a value is in use, and let the thread reckon with it."""
        if not entry.is_in_use:
            entry.is_in_use = True
            self._orders.put(None)

    def _is_watched(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _is_flying(self, now: float) -> bool:
        return self._flight is not None and now < self._flight.lost_at

    def _begin(self, names: Sequence[str], is_anew: bool, now: float) -> Flight:
        if self._flight is not None:  # lost, and its session with it
            self._session = Session(self._settings, self._identity, self._report)
        lost_at = now + self._settings.deadline + self._settings.timeout
        # A path that fails comes last, so that it keeps no other from its refresh.
        ordered = sorted(names, key=lambda name: name in self._outage.names)
        self._flight = Flight(self._session, ordered, is_anew, now, lost_at)
        return self._flight

    def _end(self, flight: Flight) -> None:
        with LOCK:
            is_lost = self._flight is not flight
            if not is_lost:
                self._flight = None
            is_over = is_lost or self._closed
        if is_over:
            flight.session.end(self._revokes)

    def _refresh(self, flight: Flight, name: str, budget: Budget) -> None:
        """Renew or read one credential. In an outage a value that still holds is as good."""
        now = clock.now()
        held = self._entries.get(name)
        if held is not None and (flight.is_anew or held.is_gone(now)):
            held = None
        if held and self._outage.regards(name) and now < self._outage.until:
            return
        tries = Budget(budget.left(), 1) if held else budget
        try:
            reading = None
            if held and held.lease:
                reading = flight.session.renew(name, held.credential, held.lease, tries)
            if reading is None:
                reading = flight.session.read(name, self._settings.credentials[name], tries)
        except CredentialsError as error:
            self._note_failure(name, error)
            if error.is_outage and held and not held.is_gone(clock.now()):
                return
            raise
        entry = Entry(reading, self._ttl, self._max_stale)
        if entry.lease and entry.is_gone(clock.now()):
            raise ReadError(
                f"credential {name!r}: its lease ended before it could be used:"
                " ask for a longer one"
            )
        self._note_success(flight, name, entry)

    def _note_success(self, flight: Flight, name: str, entry: Entry) -> None:
        with LOCK:
            if self._flight is flight:
                self._entries[name] = entry
            is_over = self._outage.end(name)
        if is_over:
            _log("info", "Vault answers again")

    def _note_failure(self, name: str, error: CredentialsError) -> None:
        with LOCK:
            is_new = False
            if error.is_outage:
                is_new = self._outage.begin(name, clock.now())
            elif isinstance(error, ReadError):
                self._entries.pop(name, None)
                self._outage.end(name)
            holds_values = bool(self._entries)
        if is_new and holds_values:
            _log("warning", f"the last values are used while Vault is away: {error}")

    def _start_thread(self, is_needed: bool = False) -> None:
        """Start the thread unless it runs, nothing is held, or there can be none."""
        if self._closed or self._is_watched():
            return
        if not is_needed and not (self._has_thread and self._entries):
            return
        thread = threading.Thread(target=self._work, name="vault-credentials", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends, or there are too many
            self._has_thread = False
            return
        self._thread = thread

    def _work(self) -> None:
        """The thread: fly what it is handed, and what is due, until this life ends."""
        rest_until = 0.0
        while not self._closed:
            try:
                flight = self._orders.get(timeout=self._until_due(rest_until))
            except queue.Empty:
                flight = None
            if flight is None and clock.now() >= rest_until:
                flight = self._begin_due()
            if flight is None:
                continue
            if not self._fly_quietly(flight):
                rest_until = clock.now() + PAUSE
        if self._is_dropped:
            self._session.end(revokes=False)

    def _fly_quietly(self, flight: Flight) -> bool:
        """Fly in the thread. Whoever waits gets the error; it returns whether all went well."""
        try:
            self.fly(flight, Budget(self._settings.deadline, transport.ATTEMPTS))
        except CredentialsError:
            return False
        except Exception as error:  # its text and its frames may hold anything
            _log("error", f"a refresh ended with {type(error).__name__}")
            return False
        return True

    def _until_due(self, rest_until: float) -> float:
        """Seconds until the thread has something to do, a minute at most."""
        with LOCK:
            now = clock.now()
            due = [entry.due_at for entry in self._entries.values() if entry.is_in_use]
            next_due = max(min(due, default=_NEVER), rest_until, self._outage.until)
            if self._is_flying(now):
                next_due = max(next_due, now + SOON)
        return min(max(0.0, next_due - now), 60.0)

    def _begin_due(self) -> Optional[Flight]:
        """A flight for all that is in use and due; None for nothing, or if one is under way."""
        with LOCK:
            now = clock.now()
            is_resting = now < self._outage.until
            if self._closed or not self._has_thread or is_resting or self._is_flying(now):
                return None
            due = [name for name, entry in self._entries.items() if _is_due(entry, now)]
            return self._begin(due, False, now) if due else None


def _is_due(entry: Entry, now: float) -> bool:
    return entry.is_in_use and now >= entry.due_at


def late(names: Sequence[str]) -> UnreachableError:
    """The error of a caller whose time is over while another one asks Vault."""
    shown = ", ".join(repr(name) for name in names)
    return UnreachableError(
        f"credential {shown}: the deadline passed while another thread was asking Vault"
    )


def _log(level: str, message: str) -> None:
    import logging  # takes long to load, and most jobs never need it

    getattr(logging.getLogger("vault_credentials"), level)(message)
