"""One HTTP request, and one sentence about whatever goes wrong with it."""

import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from typing import Any, Dict, NamedTuple, Optional

LARGEST_ANSWER = 4 << 20
TIMEOUT = 30.0


class Refused(Exception):
    """What went wrong and what to do, in one sentence without a secret."""


class Request(NamedTuple):
    """What to send. The purpose begins the sentence about a failure."""

    purpose: str
    url: str
    headers: Dict[str, str]
    body: Optional[Dict[str, Any]] = None
    method: Optional[str] = None
    expected: int = 200
    ca_file: Optional[str] = None


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing, since a redirect would carry the token to another address."""

    def redirect_request(self, *_: Any) -> None:
        """Answers none."""


def setting(name: str, default: str = "") -> str:
    """A variable of the environment that must have a value."""
    value = os.environ.get(name) or default
    if not value:
        raise Refused(f"{name} is not set")
    return value


def send(request: Request) -> bytes:
    """The body of the answer. It and the headers may hold a token, so no error quotes them."""
    try:
        context = ssl.create_default_context(cafile=request.ca_file)
    except OSError:
        raise Refused(f"{request.purpose}: the CA file is no readable PEM file") from None
    body = None if request.body is None else json.dumps(request.body).encode()
    headers = {"Content-Type": "application/json", **request.headers}
    try:
        prepared = urllib.request.Request(request.url, body, headers, method=request.method)
        opener = urllib.request.build_opener(
            NoRedirect, urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(prepared, timeout=TIMEOUT) as answer:
            text: bytes = answer.read(LARGEST_ANSWER)
    except urllib.error.HTTPError as error:
        hint = ""
        if 300 <= error.code < 400:
            hint = ": a redirect, which is not followed with a token"
        raise Refused(f"{request.purpose}: HTTP {error.code}{hint}") from None
    except (ValueError, http.client.InvalidURL):
        # Without the message, which quotes a header.
        raise Refused(
            f"{request.purpose}: a setting holds a character that HTTP does not allow"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", "") or type(error).__name__
        raise Refused(f"{request.purpose}: {reason}") from None
    if answer.status != request.expected:
        raise Refused(
            f"{request.purpose}: HTTP {answer.status} instead of {request.expected},"
            " so something else answered"
        )
    return text


def decode(text: bytes, purpose: str) -> Any:
    """The JSON of an answer."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(f"{purpose}: the answer is not JSON") from None


def member(text: bytes, purpose: str, *names: str) -> str:
    """The token below names in a JSON answer."""
    value = decode(text, purpose)
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    # A line break would begin another header, or a command in the log.
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise Refused(f"{purpose}: the answer has no usable {'.'.join(names)}")
    return value
