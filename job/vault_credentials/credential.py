"""One credential: values that show themselves to nobody who does not ask for one by its name."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterator, List, Mapping, NoReturn, Optional


class Credential:
    """The values of one credential. credential["password"] gives one, as plain text for a driver.

    Everything else shows the names of its keys at most: printing, vars(), the variables of a
    traceback, json, yaml, pickle and experiment trackers. That is why it is no dict and no Mapping,
    which error trackers write down value by value. dict(credential) is one, on your own account.

    path        the API path
    version     of KV version 2, else None
    expires_at  the end of the lease, or when Vault rotates the value; None where neither is known
    """

    __slots__ = ("_get", "_keys", "path", "version", "expires_at")

    def __init__(
        self,
        values: Mapping[str, Any],
        path: str,
        version: Optional[int] = None,
        expires_at: Optional[datetime] = None,
    ) -> None:
        # A method of a built-in type shows nothing of the object that it belongs to.
        self._get = dict(values).__getitem__
        self._keys = tuple(values)
        self.path = path
        self.version = version
        self.expires_at = expires_at

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(f"this credential has no key {key!r}, only {sorted(self._keys)}")
        return self._get(key)

    def keys(self) -> List[str]:
        """The names of the values."""
        return list(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<Credential keys={sorted(self._keys)}>"

    def __copy__(self) -> Credential:
        return self

    def __deepcopy__(self, _: object) -> Credential:
        return self

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(
            "a credential is not written down or sent to another process:"
            " send the VaultCredentials that it is from, or read it there"
        )
