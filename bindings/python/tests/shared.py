"""The JSON in which the shared vectors and cases write values, and a disk that fails."""

from __future__ import annotations

import decimal
import os
import uuid
from datetime import datetime, timedelta, timezone

import entidb

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def value_from(written):
    """The Python object of a value as tests/vectors/README.md writes it."""
    if isinstance(written, list):
        return [value_from(item) for item in written]
    if not isinstance(written, dict):
        return written
    if len(written) == 1:
        [(kind, inner)] = written.items()
        if kind.startswith("$"):
            return _special(kind, inner)
    return {key: value_from(item) for key, item in written.items()}


def _special(kind, inner):
    match kind:
        case "$int":
            return int(inner)
        case "$float":
            return float(inner)
        case "$bytes":
            return bytes.fromhex(inner)
        case "$map":
            return {value_from(key): value_from(item) for key, item in inner}
        case "$timestamp":
            try:
                return _EPOCH + timedelta(microseconds=int(inner))
            except OverflowError:
                return entidb.Timestamp(int(inner))
        case "$uuid":
            return uuid.UUID(inner)
        case "$id":
            return entidb.EntityId(inner)
        case "$decimal":
            mantissa, exponent = (int(part) for part in inner)
            try:
                made = decimal.Decimal(f"{mantissa}e{exponent}")
            except decimal.InvalidOperation:
                return entidb.Tag(4, [exponent, mantissa])
            return made if made.as_tuple().exponent == exponent else entidb.Tag(4, [exponent, mantissa])
        case "$vector":
            return entidb.Vector(bytes.fromhex(inner[1]), inner[0])
        case "$tag":
            return entidb.Tag(int(inner[0]), value_from(inner[1]))
    raise AssertionError(f"{kind} is not in tests/vectors/README.md")


def swapped(folder, other, flags):
    """Puts another file in the place of every open file of a folder, as a failing disk would."""
    descriptor = os.open(other, flags)
    for number in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        if os.path.dirname(place) == str(folder):
            os.dup2(descriptor, int(number))
    os.close(descriptor)
