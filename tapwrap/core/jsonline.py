"""One JSON value on one line, without the json package.

PID 1 writes a few lines and must stay small: importing json brings re and enum with it
and costs more than everything else PID 1 imports. The string escaping is the same C
function that json uses.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quote


def dumps(item: object) -> str:
    """The JSON text of str, int, float, bool, None, and lists and dicts of them.

    Raises TypeError for anything else. Not-a-number and infinities become null, because
    JSON (RFC 8259) has no word for them.
    """
    if isinstance(item, str):
        return quote(item)
    if item is None:
        return "null"
    if item is True:
        return "true"
    if item is False:
        return "false"
    if isinstance(item, int):
        return str(int(item))
    if isinstance(item, float):
        return repr(float(item)) if item - item == 0 else "null"
    if isinstance(item, dict):
        return (
            "{" + ", ".join(f"{quote(str(key))}: {dumps(each)}" for key, each in item.items()) + "}"
        )
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(dumps(each) for each in item) + "]"
    raise TypeError(f"cannot write a {type(item).__name__} as JSON")
