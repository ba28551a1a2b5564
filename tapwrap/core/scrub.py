"""Take secrets out of text, arguments and nested values, by their name and by their shape.

Too much is better than too little here: a word lost from a message costs less than a
password kept in a file that is copied around. One pass per rule, each linear.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCRUBBED = "[scrubbed]"

#: A name that contains one of these (case and separators aside) names a secret.
SECRET_NAMES = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "authorization",
    "cookie",
    "privatekey",
    "credential",
    "accesskey",
    "sessionid",
)

#: How a key that its issuer marks begins, and how many characters it has at least.
SHAPES = (
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("ghp_", 24),
    ("gho_", 24),
    ("ghu_", 24),
    ("ghs_", 24),
    ("ghr_", 24),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("xoxa-", 15),
    ("xoxb-", 15),
    ("xoxe-", 15),
    ("xoxp-", 15),
    ("xoxr-", 15),
    ("xoxs-", 15),
    ("xapp-", 15),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("sk-", 24),
    ("npm_", 30),
    ("hf_", 24),
    ("SG.", 40),
    ("eyJ", 30),
)

#: Nested deeper than this is not looked into, and not kept.
DEEPEST = 12
_LONGEST_NAME = 80

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.~+/=")
_ENDS_VALUE = frozenset(" \t\r\n,;&)}]\"'<>|")
_ENDS_HOST = frozenset(" \t\r\n/?#\"'<>`")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def scrub(text: str) -> str:
    """The text with every secret that its name or its shape gives away replaced."""
    # Not str.lower(): that can change the length, and places must agree.
    lower = text.translate(_LOWER)
    spans = sorted(
        (
            *_blocks(text),
            *_urls(text),
            *_named(text, lower),
            *_options(text, lower),
            *_schemes(text, lower),
            *_shapes(text),
        )
    )
    shown: list[str] = []
    done = 0
    for start, end in spans:
        if end <= done:
            continue
        if start >= done:
            shown += (text[done:start], SCRUBBED)
        done = end
    shown.append(text[done:])
    return "".join(shown)


def scrub_argv(argv: Sequence[str]) -> list[str]:
    """Arguments without the values of secret options, whichever way those are written."""
    shown: list[str] = []
    follows = False
    for argument in argv:
        if follows and not argument.startswith("-"):
            shown.append(SCRUBBED)
            follows = False
            continue
        follows = argument.startswith("-") and "=" not in argument and is_secret(argument)
        shown.append(scrub(argument))
    return shown


def scrub_value(item: object, depth: int = 0) -> object:
    """A value of dicts, lists and scalars without secrets, whatever it is nested in."""
    if isinstance(item, str):
        return scrub(item)
    if depth >= DEEPEST and isinstance(item, (dict, list, tuple)):
        return "[too deep]"
    if isinstance(item, dict):
        return {
            key: SCRUBBED
            if each not in (None, "") and is_secret(str(key))
            else scrub_value(each, depth + 1)
            for key, each in item.items()
        }
    if isinstance(item, (list, tuple)):
        return [scrub_value(each, depth + 1) for each in item]
    return item


def is_secret(name: str) -> bool:
    """Whether a name (of a key, a header, an option, a variable) names a secret."""
    plain = name.translate(_LOWER)
    for separator in "_-. ":
        plain = plain.replace(separator, "")
    if plain.endswith("tokens") and plain.startswith(("max", "min", "num", "total", "prompt")):
        return False  # Language models count these; they are not secret.
    # PWD and OLDPWD are directories.
    short = plain == "pass" or (plain.endswith("pwd") and plain not in ("pwd", "oldpwd"))
    return short or any(word in plain for word in SECRET_NAMES)


def _places(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """PEM blocks; one that was cut off ends with the text."""
    place = text.find("-----BEGIN ")
    while place >= 0:
        last = text.find("-----END ", place)
        close = text.find("-----", last + 9) if last >= 0 else -1
        end = close + 5 if close >= 0 else len(text)
        yield place, end
        place = text.find("-----BEGIN ", end)


def _urls(text: str) -> Iterator[tuple[int, int]]:
    """The password in scheme://user:password@host."""
    done = 0
    for place in _places(text, "://"):
        start = place + 3
        if start < done:
            continue
        done = _until(text, start, _ENDS_HOST)
        at = text.rfind("@", start, done)
        colon = text.find(":", start, max(at, start))
        if colon >= 0 and at > colon + 1:
            yield colon + 1, at


def _named(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """The value in name=value, name: value, "name": "value" and the like."""
    done = 0
    for place in sorted((*_places(text, "="), *_places(text, ":"))):
        if place < done:
            continue
        end = place
        while end > 0 and place - end < 3 and text[end - 1] in " \"'\\":
            end -= 1
        start = end
        while start > 0 and end - start < _LONGEST_NAME and lower[start - 1] in _NAME:
            start -= 1
        if start == end or not is_secret(lower[start:end]):
            continue
        whole_line = "authorization" in lower[start:end] or "cookie" in lower[start:end]
        first, done = _value(text, place + 1, whole_line)
        if done > first and text[first:done] != SCRUBBED:
            yield first, done


def _value(text: str, start: int, whole_line: bool) -> tuple[int, int]:
    """From the first to behind the last character of a value."""
    while start < len(text) and text[start] in " \t=>":
        start += 1
    if text.startswith(SCRUBBED, start):
        return start, start + len(SCRUBBED)
    if text[start : start + 2] in ('\\"', "\\'"):
        start += 1
    quote = text[start : start + 1]
    if quote in ('"', "'"):
        end = start + 1
        while end < len(text) and text[end] != quote:
            end += 2 if text[end] == "\\" and text[end + 1 : end + 2] != "" else 1
        return start + 1, min(end, len(text))
    if whole_line:
        return start, _until(text, start, frozenset("\r\n\"'"))
    return start, _until(text, start, _ENDS_VALUE)


def _options(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """The value in --password value."""
    for place in _places(text, "--"):
        end = start = place + 2
        while end < len(text) and end - start < _LONGEST_NAME and lower[end] in _NAME:
            end += 1
        if text[end : end + 1] != " " or not is_secret(lower[start:end]):
            continue
        if text[end + 1 : end + 2] in ("-", " ", ""):
            continue
        first, last = _value(text, end + 1, whole_line=False)
        if last > first and text[first:last] != SCRUBBED:
            yield first, last


def _schemes(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """What follows Bearer or Basic, unless it looks like the next word of a sentence."""
    for word in ("bearer ", "basic "):
        for place in _places(lower, word):
            start = place + len(word)
            end = start
            while end < len(text) and text[end] in _TOKEN:
                end += 1
            rest = text[start + 1 : end]
            odd = any(letter.isdigit() or letter.isupper() or letter == "=" for letter in rest)
            if end - start >= 8 and (odd or end - start >= 24):
                yield start, end


def _shapes(text: str) -> Iterator[tuple[int, int]]:
    for prefix, least in SHAPES:
        done = 0
        for place in _places(text, prefix):
            if place < done or (place and text[place - 1].isalnum()):
                continue
            done = place + len(prefix)
            while done < len(text) and text[done] in _TOKEN and text[done] not in "=/+~":
                done += 1
            if done - place >= least:
                yield place, done


def _until(text: str, start: int, ends: frozenset[str]) -> int:
    end = start
    while end < len(text) and text[end] not in ends:
        end += 1
    return end
