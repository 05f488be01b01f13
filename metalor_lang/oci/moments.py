"""Times in documents: RFC 3339 text, and whole seconds since 1970.

Invariant: seconds_of(rfc3339(x)) == x.
"""

from metalor_lang.hints import Final

_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def rfc3339(seconds: int) -> str:
    """Seconds since 1970 as `2025-01-01T00:00:00Z`.

    Raises:
        ValueError: before the year 1 or after the year 9999.

    """
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{seconds} seconds since 1970 is no time between the years 1 and 9999") from None
    return f"{moment:%m-%dT%H:%M:%S}Z".join((f"{moment.year:04}-", ""))


def seconds_of(text: str) -> int | None:
    """Whole seconds since 1970 (rounded down) of an RFC 3339 time, or None when it is none."""
    usual = _usual(text)
    return usual if usual is not None else _any(text)


def _any(text: str) -> int | None:
    from datetime import UTC, datetime, timedelta  # takes longer than all else that is done with a base's config

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def _usual(text: str) -> int | None:
    """As `_any`, of a right time in UTC as builders write it; None of anything else."""
    parts = (text[:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
    fraction = text[20:-1] if text[19:20] == "." else "0"
    digits = "".join((*parts, fraction))
    if text[4:19:3] != "--T::" or text[-1] != "Z" or (text[19] != "." and len(text) != 20):
        return None
    if not digits.isascii() or not digits.isdigit() or not all(map(str.isdigit, (*parts, fraction))):
        return None
    year, month, day, hour, minute, second = map(int, parts)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (year and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] - (month == 2 and not leap)):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    # Days of the years before, counted from a March, so that the leap day is a year's last.
    before = year - (month < 3)
    days = before * 365 + before // 4 - before // 100 + before // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day
    return (days - 719_469) * 86_400 + hour * 3_600 + minute * 60 + second
