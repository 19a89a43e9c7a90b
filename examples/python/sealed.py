"""People whose documents are sealed by the program: the database finds them by keys it is given beside them."""

import hashlib
import hmac

import entidb

SECRET = b"of the program, never of the database"


def sealed(data: bytes) -> bytes:
    """Stands for real encryption, which is the program's business. Done twice it opens what it sealed."""
    return bytes(a ^ b for a, b in zip(data, hashlib.shake_256(SECRET).digest(len(data)), strict=True))


def blind(phone: str) -> bytes:
    """A key that tells nothing about the number, and is the same for the same number."""
    return hmac.new(SECRET, phone.encode(), "sha256").digest()[:16]


with entidb.open_memory() as db:
    people = db.collection("people")
    people.create_index(name="by_phone", kind="manual", unique=True)
    people.create_index(name="by_year", kind="manual")
    for name, phone, year in [("Ada", "+44 1", 1815), ("Grace", "+1 2", 1906), ("Linus", "+358 3", 1969)]:
        with db.transaction() as tx:  # the entity and its keys in one commit
            within = tx.collection("people")
            id = within.put({"sealed": sealed(name.encode())})
            within.manual_index("by_phone").insert(blind(phone), id)
            within.manual_index("by_year").insert(year, id)

    [grace] = people.manual_index("by_phone").lookup(blind("+1 2"))
    print(sealed(people[grace]["sealed"]).decode())
    for year, id in people.manual_index("by_year").range(1900, 1999):
        print(year, id)
    people.delete(grace)
    assert people.manual_index("by_phone").lookup(blind("+1 2")) == []  # keys go with their entity
