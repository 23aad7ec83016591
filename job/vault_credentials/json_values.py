"""Values of JSON that a server sent, and that may be anything."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Optional


def parse_object(text: bytes) -> Dict[str, Any]:
    """The JSON object in text; empty for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def whole_number(value: Any, most: int) -> Optional[int]:
    """A number that counts something, cut off at the most; None for anything else."""
    if type(value) is not int or value <= 0:  # not isinstance: True is an int, too
        return None
    return min(value, most)


def is_printable(text: str) -> bool:
    """Whether text is ASCII that a header can carry, with no space in it."""
    return re.fullmatch(r"[\x21-\x7e]*", text) is not None
