"""What azure-ai-ml uses of pydash, which Debian has no package of."""

from . import objects
from .objects import get, omit

__all__ = ["get", "objects", "omit"]
