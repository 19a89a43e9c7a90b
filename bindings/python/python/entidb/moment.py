"""The current time, as a document stores it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["now"]


def now() -> datetime:
    """The current time: an aware ``datetime`` in UTC, to the microsecond."""
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)
