"""Documents as bytes: canonical CBOR, the form they have in the database.

A value has exactly one encoding, so equal documents have equal bytes.
"""

from ._entidb import canonicalise, dumps, loads

__all__ = ["canonicalise", "dumps", "loads"]
