"""The present moment, as documents hold it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["now"]


def now() -> datetime:
    """The present moment: an aware ``datetime`` in UTC, to the microsecond."""
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)
