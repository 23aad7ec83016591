"""Values in nested objects, by dotted paths."""


def _keys(path):
    return path.split(".") if isinstance(path, str) else list(path)


def get(target, path, default=None):
    """The value at a path, or the default."""
    for key in _keys(path):
        if isinstance(target, dict):
            target = target.get(key)
        else:
            target = getattr(target, str(key), None)
        if target is None:
            return default
    return target


def set_(target, path, value):
    """Put a value at a path, and make the objects on the way."""
    *above, last = _keys(path)
    inner = target
    for key in above:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return target


def omit(target, keys):
    """The object without some of its keys."""
    left_out = [keys] if isinstance(keys, str) else keys
    return {key: value for key, value in target.items() if key not in left_out}
