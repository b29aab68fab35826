"""Numbers as people read them. NaN and None become a dash."""

import math
from typing import TypeGuard

DASH = "–"
MINUS = "−"
THIN_SPACE = " "


def known(value: float | None) -> TypeGuard[float]:
    """Say whether there is a number."""
    return value is not None and not math.isnan(value)


def missing(value: float | None) -> bool:
    """Say whether there is none."""
    return not known(value)


def points(value: float | None) -> str:
    """A score in [0, 1] as points: 0.7438 -> 74.4."""
    return _minus(f"{100 * value:.1f}") if known(value) else DASH


def signed_points(value: float | None) -> str:
    """A difference of scores as signed points: 0.0382 -> +3.8."""
    return _minus(f"{100 * value:+.1f}") if known(value) else DASH


def interval(lower: float | None, upper: float | None, signed: bool = False) -> str:
    """An interval of scores in points; empty without bounds."""
    if missing(lower) or missing(upper):
        return ""
    form = signed_points if signed else points
    return f"[{form(lower)}, {form(upper)}]"


def decimal_interval(lower: float | None, upper: float | None, digits: int = 2) -> str:
    """An interval of plain numbers; empty without bounds."""
    return f"[{decimal(lower, digits)}, {decimal(upper, digits)}]" if known(lower) else ""


def p_value(value: float | None) -> str:
    """A p value with three digits, `<0.001` below."""
    if not known(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def decimal(value: float | None, digits: int = 2) -> str:
    """A plain number with a fixed number of decimals."""
    return _minus(f"{value:.{digits}f}") if known(value) else DASH


def percent(value: float | None, digits: int = 0, signed: bool = False) -> str:
    """A share in percent: 0.31 -> 31 %."""
    return f"{100 * value:{'+' if signed else ''}.{digits}f} %".replace("-", MINUS) if known(value) else DASH


def count(value: float | None) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{round(value):,}".replace(",", THIN_SPACE) if known(value) else DASH


def magnitude(value: float | None) -> str:
    """A large number with three digits and k, M, G or T."""
    if not known(value):
        return DASH
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{THIN_SPACE}{unit}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Seconds as `12 s`, `3 min 05 s` or `1 h 20 min`."""
    if not known(seconds):
        return DASH
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plural(number: int, word: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{count(number)} {word}" if number == 1 else f"{count(number)} {word}s"


WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def in_words(number: int, word: str) -> str:
    """`five seeds`; digits above twelve."""
    return f"{WORDS[number]} {word}{'' if number == 1 else 's'}" if number < len(WORDS) else plural(number, word)


def listing(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else "none"


def _minus(text: str) -> str:
    """A typographic minus, and none before a rounded zero."""
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", MINUS)
