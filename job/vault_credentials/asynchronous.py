"""The client for asyncio: FastAPI and the like."""

from __future__ import annotations

import asyncio
from typing import Any, Dict, Sequence

from . import clock
from .client import VaultCredentials
from .credential import Credential
from .errors import shielded
from .keeper import Flight, late


class AsyncVaultCredentials:
    """VaultCredentials for asyncio, with the same arguments, values and promises.

        async with AsyncVaultCredentials() as vault:
            key = (await vault.get("ml_api_key"))["api_key"]

    A value in memory is given without a switch to another task. For all others one thread of the
    client asks Vault, however many tasks wait. A task that is cancelled disturbs no other.
    """

    def __init__(self, **options: Any) -> None:
        """options are those of VaultCredentials. Raises SettingsError or IdentityError."""
        self._vault = VaultCredentials(**options)

    async def __aenter__(self) -> AsyncVaultCredentials:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, name: str) -> Credential:
        """One credential. Raises CredentialsError."""
        credential = self._vault._keeper.fresh(name)
        if credential is None:
            credential = (await self.read(name))[name]
        return credential

    async def read(self, *names: str) -> Dict[str, Credential]:
        """The credentials with these names, or all of them. Raises CredentialsError."""
        return await self._read(names, False)

    async def refresh(self, *names: str) -> Dict[str, Credential]:
        """The same, read from Vault now: for a service that has just refused a value."""
        return await self._read(names, True)

    async def close(self, *, keep_leases: bool = False) -> None:
        """Forget every value, revoke the token and hang up. A later read starts anew."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, lambda: self._vault.close(keep_leases=keep_leases))

    async def _read(self, names: Sequence[str], is_anew: bool) -> Dict[str, Credential]:
        """As Keeper.read, and the flights are left to the client's thread."""
        names = shielded(self._vault._known, names)
        keeper = self._vault._keeper
        budget = self._vault._budget()
        since = clock.now()
        while True:
            turn = keeper.take_turn(names, since, is_anew)
            if turn.values is not None:
                return turn.values
            assert turn.flight is not None
            if turn.leads:
                keeper.hand_over(turn.flight)
            if not await _landed(turn.flight, budget.left()):
                raise late(names)
            turn.flight.raise_failure(names)
            if not is_anew:
                since = min(since, turn.flight.begun)


async def _landed(flight: Flight, seconds: float) -> bool:
    """Whether a flight ends within so many seconds. Other tasks run meanwhile."""
    loop = asyncio.get_running_loop()
    landed = asyncio.Event()

    def tell() -> None:
        try:
            loop.call_soon_threadsafe(landed.set)
        except RuntimeError:
            pass  # the loop is closed, so nobody waits

    flight.when_landed(tell)
    try:
        await asyncio.wait_for(landed.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True
