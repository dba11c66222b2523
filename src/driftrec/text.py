"""Text from outside, such as names of files, in terminals and reports.

File names may hold anything but "/" and zero: line breaks, escape sequences that terminals obey, characters that hide
or turn others around, and bytes that are no text at all (Python reads these as lone surrogates).
"""

import json
from collections.abc import Callable, Mapping
from unicodedata import category

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, format characters, surrogates, and separators of lines and paragraphs."""

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that some scripts and emoji need."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: object) -> str:
    """Text on one line that is safe to print: everything that could act on a terminal becomes an escape.

    Escapes are those of Bash's $'…': a file named b"caf\\xe9" is printed as caf\\xe9, and $'caf\\xe9' names it again.
    """
    return _replaced(str(text), _escape)


def json_line(facts: Mapping[str, object], *, ascii_only: bool = False) -> str:
    """The facts as one line of JSON that is valid UTF-8 and safe to print; reading it gives them back unchanged.

    Bytes of file names that are not UTF-8 become the escapes \\udc80 to \\udcff, as in Python (PEP 383).  With
    `ascii_only`, the line survives any encoding of the output.
    """
    return _replaced(json.dumps(facts, ensure_ascii=ascii_only), _json_escape)


def _replaced(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(escape(c) if category(c) in _HIDDEN and c not in _JOINERS else c for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that could not be decoded
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
