"""The client: VaultCredentials, which lives, and read_credentials, which reads once."""

from __future__ import annotations

import functools
import os
import weakref
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple, Type

from . import transport
from .clock import Budget
from .credential import Credential
from .errors import NEW_DEFINITION, SettingsError, shielded
from .identity import Login, find_identity
from .keeper import LOCK, Keeper
from .session import Report
from .settings import Settings


# The arguments of VaultCredentials, by position.
_Options = Tuple[Login, float, Optional[float], bool, Report]


def silent(step: str) -> None:
    """Report nothing."""


def read_credentials(
    *names: str, login: Login = None, report: Report = silent
) -> Dict[str, Credential]:
    """Log in once and read the credentials with these names, or all.

    Name those that the script needs: whoever asks for all fails when any of them is removed.
    Values with a lease are good until expires_at and no longer. login and report are those of
    VaultCredentials. Raises CredentialsError if it cannot read every one.
    """
    vault = VaultCredentials(login=login, report=report, background=False)
    try:
        return vault.read(*names)
    finally:
        # to revoke the token would end the leases that the caller is about to use
        vault.close(keep_leases=True)


class VaultCredentials:
    """A client that lives: one login for many reads, one kept connection, values in memory.

    Ask it each time that a value is needed: vault["ml_api_key"]["api_key"]. Any thread may, and so
    may processes that are forked from this one, or that it is sent to. A value that was rotated in
    Vault is seen within ttl seconds, or at once after refresh(). While Vault is away the last
    values are given for max_stale seconds more. Values with a lease are never given past its end.
    The module keeper says all of this in detail.

    close(), or leaving the block, forgets the values and revokes a service token; its leases end
    with it. A later read starts anew.
    """

    def __init__(
        self,
        *,
        login: Login = None,
        ttl: float = 300.0,
        max_stale: Optional[float] = None,
        background: bool = True,
        report: Report = silent,
    ) -> None:
        """Read the settings. Nothing is sent yet. Raises SettingsError or IdentityError.

        login       "az-cli", or a function from the audience to a token. With azure-identity:
                    lambda audience: azure.get_token(f"{audience}/.default").token
                    Default: VAULT_LOGIN, and that defaults to the managed identity.
        ttl         seconds for which a value without a lease is used before it is read again
        max_stale   seconds for which it is used after that while Vault is away; 0 for never.
                    Default: VAULT_MAX_STALE, and that defaults to 3600.
        background  a thread reads values that are in use again in time, so that callers do not wait
        report      is called with a sentence after each step, by whichever thread takes it. None of
                    the sentences carries a value or a token.
        """
        self._options: _Options = (login, ttl, max_stale, background, report)
        _load_the_codec_of_host_names()
        # The identity first: on a laptop, a list of missing variables would hide that one lacks.
        identity = shielded(find_identity, login)
        self._open(shielded(Settings), identity)

    def _open(self, settings: Settings, identity: Any) -> None:
        _, ttl, max_stale, background, report = self._options
        if max_stale is None:
            max_stale = settings.max_stale
        self._settings = settings
        self._new_keeper = functools.partial(
            Keeper, settings, identity, report, ttl, max_stale, background
        )
        with LOCK:
            self._keeper = self._new_keeper()
            self._watch()
        count = len(settings.credentials)
        report(f"settings: {settings.address}, role {settings.role!r}, {count} credential(s)")

    def _watch(self) -> None:
        """See to it that the keeper learns of a fork, and of a client that is just dropped."""
        keeper = weakref.ref(self._keeper)
        self._keeper.owner = weakref.ref(self, lambda _: _stop(keeper()))
        _CLIENTS.add(self)

    def __enter__(self) -> VaultCredentials:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Credential:
        credential = self._keeper.fresh(name)
        if credential is None:
            credential = self.read(name)[name]
        return credential

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings.credentials)

    def __len__(self) -> int:
        return len(self._settings.credentials)

    def __contains__(self, name: object) -> bool:
        return name in self._settings.credentials

    def read(self, *names: str) -> Dict[str, Credential]:
        """The credentials with these names, or all of them. Raises CredentialsError."""
        return shielded(self._read, names, False)

    def refresh(self, *names: str) -> Dict[str, Credential]:
        """The same, read from Vault now: for a service that has just refused a value."""
        return shielded(self._read, names, True)

    def close(self, *, keep_leases: bool = False) -> None:
        """Forget every value, revoke the token and hang up. A later read starts anew.

        A read that is under way in another thread ends as if it had come before.
        """
        with LOCK:
            ended = self._keeper
            self._keeper = self._new_keeper()
            self._watch()
        shielded(ended.close, keep_leases)

    def _read(self, names: Sequence[str], is_anew: bool) -> Dict[str, Credential]:
        return self._keeper.read(self._known(names), is_anew, self._budget())

    def _budget(self) -> Budget:
        return Budget(self._settings.deadline, transport.ATTEMPTS)

    def _known(self, names: Sequence[str]) -> Sequence[str]:
        """names, or all when there are none. Raises SettingsError for one that is unknown."""
        known = self._settings.credentials
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise SettingsError(
                f"VAULT_CREDENTIALS has no credential {unknown[0]!r}, only {sorted(known)}:"
                f" ask for one of these, or, if the stack has it by now, {NEW_DEFINITION}"
            )
        return names or list(known)

    def __reduce__(self) -> Tuple[Callable[..., VaultCredentials], Tuple[Any, ...]]:
        """What goes to another process: settings and options. It logs in by itself."""
        return _restored, (type(self), self._settings, self._options)


def _restored(
    kind: Type[VaultCredentials], settings: Settings, options: _Options
) -> VaultCredentials:
    """The client in the process that it was sent to, with the identity of that process."""
    vault = kind.__new__(kind)
    vault._options = options
    vault._open(settings, shielded(find_identity, options[0]))
    return vault


_CLIENTS: "weakref.WeakSet[VaultCredentials]" = weakref.WeakSet()


def _stop(keeper: Optional[Keeper]) -> None:
    if keeper is not None:
        keeper.stop()


def _after_fork_in_child() -> None:
    try:
        for vault in list(_CLIENTS):
            vault._keeper = vault._keeper.after_fork()
            vault._watch()
    finally:
        LOCK.release()


def _load_the_codec_of_host_names() -> None:
    """Load what the first connection would load in whichever thread makes it.

    A fork in that moment would copy the lock of the import, held by a thread that the child does
    not have, and the child's first connection would wait for it for ever.
    """
    "localhost".encode("idna")


# A fork copies one thread and every lock. So it waits until the lock is this thread's.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire,
        after_in_parent=LOCK.release,
        after_in_child=_after_fork_in_child,
    )
