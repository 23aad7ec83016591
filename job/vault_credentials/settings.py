"""What the environment says: the settings that the package's docstring lists."""

from __future__ import annotations

import json
import os
import pathlib
import re
import ssl
import urllib.parse
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .errors import SettingsError
from .json_values import is_printable
from .proxies import is_this_machine

_LONGEST = 86400.0  # seconds that a setting may say


def variable(name: str) -> str:
    """A variable of the environment without spaces around it; empty when it is not set."""
    return os.environ.get(name, "").strip()


class Source(NamedTuple):
    """Where a credential is read. With parameters the read is a write of them: pki/issue/..."""

    path: str
    parameters: Optional[Mapping[str, Any]] = None


class Settings:
    """The settings of one client, valid. They hold no secret, so they may go to another process."""

    def __init__(self) -> None:
        """Read the environment. Raises SettingsError with every problem in it."""
        problems: List[str] = []
        self.address = _text(problems, "VAULT_ADDR").rstrip("/")
        self.login_path = _text(problems, "VAULT_LOGIN_PATH").strip("/")
        self.role = _text(problems, "VAULT_ROLE")
        self.audience = _text(problems, "VAULT_AUDIENCE")
        self.namespace = _text(problems, "VAULT_NAMESPACE", is_required=False)
        self.timeout = _seconds(problems, "VAULT_TIMEOUT", "10")
        self.deadline = _seconds(problems, "VAULT_DEADLINE", "120")
        self.max_stale = _seconds(problems, "VAULT_MAX_STALE", "3600", may_be_zero=True)
        _check_address(problems, self.address)
        _check_login_path(problems, self.login_path)
        self.credentials = _credentials(problems, variable("VAULT_CREDENTIALS"))
        self.ca_file = _beside_the_code(variable("VAULT_CACERT"))
        self.tls: Optional[ssl.SSLContext] = None
        if not self.address.startswith("http:"):
            self.tls = _tls(problems, self.ca_file)
        if problems:
            raise SettingsError("; ".join(problems))

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "tls": None}  # it belongs to this process

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        problems: List[str] = []
        if not self.address.startswith("http:"):
            self.tls = _tls(problems, self.ca_file)
        if problems:
            raise SettingsError("; ".join(problems))


def _text(problems: List[str], name: str, is_required: bool = True) -> str:
    text = variable(name)
    if is_required and not text:
        problems.append(f"{name} is not set: take it from the stack's outputs, as `make job` does")
    if not is_printable(text):
        problems.append(f"{name} has characters that cannot be sent")
    return text


def _seconds(problems: List[str], name: str, default: str, may_be_zero: bool = False) -> float:
    text = variable(name) or default
    is_number = re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,9})?", text)
    seconds = float(text) if is_number else -1.0
    if 0 < seconds <= _LONGEST or (may_be_zero and seconds == 0):
        return seconds
    least = "from 0" if may_be_zero else "above 0"
    problems.append(f"{name} is not a number of seconds {least} (and at most {_LONGEST:.0f})")
    return 0.0


def _check_address(problems: List[str], address: str) -> None:
    try:
        url = urllib.parse.urlsplit(address or "https://unset")
        is_url = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        problems.append("VAULT_ADDR is not a URL")
        return
    host = url.hostname or ""
    if not is_url:
        problems.append("VAULT_ADDR is not a URL like https://vault.example.com:8200")
    if url.username is not None or url.query or url.fragment:
        problems.append("VAULT_ADDR holds more than scheme, host, port and path: leave only those")
    if url.path.endswith("/v1"):
        problems.append("VAULT_ADDR ends in /v1, which is added to every path: leave it off")
    if url.scheme == "http" and not is_this_machine(host):
        problems.append(
            f"VAULT_ADDR is plain http to {host}, which sends tokens in the clear: use https"
        )


def _check_login_path(problems: List[str], path: str) -> None:
    if not path:
        return  # reported already
    if not re.fullmatch("auth/.+/login", path) or not _is_clean(path):
        problems.append(f"VAULT_LOGIN_PATH {path!r} is not like auth/jwt/login")


def _is_clean(path: str) -> bool:
    """Whether every part of a path names something: '..' would leave the mount."""
    parts = path.split("/")
    return path.isprintable() and not {"", ".", ".."}.intersection(parts)


def _credentials(problems: List[str], text: str) -> Dict[str, Source]:
    found: Dict[str, Source] = {}
    for name, value in _pairs(text):
        entry = f"VAULT_CREDENTIALS has an entry {name!r}"
        source = _source(value)
        if not name or not name.isprintable():
            problems.append(f"{entry}, which is empty or cannot be printed")
        if name in found:
            problems.append(f"{entry} twice: give each its own name")
        if source is None:
            problems.append(
                f"{entry} that is not a clean API path (no v1/, no empty, '.' or '..' parts),"
                ' or {"path": ..., "parameters": {...}}'
            )
        found[name] = source or Source("")
    if not found:
        problems.append(
            "VAULT_CREDENTIALS is not a JSON object like"
            ' {"ml_api_key": "secret/data/mlvault/dev/ml_api_key"}: take the output credentialPaths'
        )
    return found


class _Object(List[Any]):
    """The pairs of a JSON object. A dict would hide that a name is there twice."""


def _pairs(text: str) -> _Object:
    """The entries of the JSON object in text; none for anything else."""
    try:
        value = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return _Object()
    return value if isinstance(value, _Object) else _Object()


def _source(value: Any) -> Optional[Source]:
    """What an entry says, a path or {"path": ..., "parameters": {...}}; None for anything else."""
    if isinstance(value, str):
        return Source(value) if _is_api_path(value) else None
    if not isinstance(value, _Object):
        return None
    fields = dict(value)
    path: Any = fields.get("path")
    parameters: Any = fields.get("parameters", _Object())
    has_other_fields = not {"path", "parameters"}.issuperset(fields)
    if has_other_fields or not _is_api_path(path) or not isinstance(parameters, _Object):
        return None
    plain: Mapping[str, Any] = _plain(parameters)
    return Source(path, plain)


def _is_api_path(path: Any) -> bool:
    is_text = isinstance(path, str) and "/" in path and not path.startswith("v1/")
    return is_text and _is_clean(path)


def _plain(value: Any) -> Any:
    """A JSON value with dicts in the place of pairs."""
    if isinstance(value, _Object):
        return {name: _plain(inner) for name, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _beside_the_code(file: str) -> str:
    """A relative path that is not in the working directory is beside this package.

    Azure ML starts a job in the folder of its code, and documents no working directory for the
    scripts of endpoints.
    """
    if not file or os.path.exists(file):
        return file
    beside = pathlib.Path(__file__).resolve().parent.parent / file  # absolute where file is
    return str(beside) if beside.exists() else file


def _tls(problems: List[str], ca_file: str) -> Optional[ssl.SSLContext]:
    """TLS that verifies the server against ca_file alone, or the system's CAs when it is empty."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        is_read = isinstance(error, ssl.SSLError)
        why = "holds no certificate in PEM form" if is_read else "cannot be read"
        problems.append(f"VAULT_CACERT {ca_file!r} {why}")
        return None
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python 3.9 leaves that to the system
    # Python 3.13 turned this on. It refuses private CAs for extensions that they lack, which
    # Vault's own clients do not ask for, and it looks like a wrong CA. Chain, dates and host stay
    # verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
