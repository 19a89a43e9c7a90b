"""Stock of a shop: unique names, decimals, compare-and-set, and what errors say."""

from decimal import Decimal

import entidb
from entidb import Patch, f

with entidb.open_memory() as db:
    goods = db.collection("goods")
    goods.create_index("name", unique=True)
    goods.create_index("kind", "-price")
    tea = goods.insert({"name": "tea", "kind": "drink", "price": Decimal("4.50"), "stock": 10})
    goods.insert({"name": "coffee", "kind": "drink", "price": Decimal("6.20"), "stock": 3})

    try:
        goods.insert({"name": "tea", "kind": "drink", "price": Decimal("1.00"), "stock": 1})
    except entidb.UniqueViolationError as error:
        print(f"refused ({error.name}): {error}; {error.hint}")

    # Two sellers read the same version; the second one learns that it is late.
    first, second = goods[tea], goods[tea]
    goods.replace(tea, {**first, "stock": first["stock"] - 1}, version=first.version)
    try:
        goods.replace(tea, {**second, "stock": second["stock"] - 1}, version=second.version)
    except entidb.VersionMismatchError:
        goods.update(tea, Patch().increment("stock", -1))
    assert goods[tea]["stock"] == 8

    dearest = goods.find(f.kind == "drink").order_by("-price")
    print([(item["name"], str(item["price"])) for item in dearest])
    print("sold out:", goods.find(f.stock <= 0).count(), "- through", dearest.explain())
