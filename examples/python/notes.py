"""Notes: put, find through an index, change in a transaction, and follow what changed.

Run it twice: the notes of the first run are still there.
"""

import entidb

with entidb.open("notes.entidb") as db:
    notes = db.collection("notes")
    notes.create_index("tags", multi=True)

    id = notes.put({"title": "Hello", "tags": ["first"], "at": entidb.now()})
    notes.put_many([{"title": f"Note {n}", "tags": ["more"], "at": entidb.now()} for n in range(3)])

    print("the newest notes with a tag:")
    for note in notes.find(entidb.f.tags.contains("more")).order_by("-at").limit(2):
        print(" ", note.id, note["title"], note["at"].isoformat())
    print("found by:", notes.find(entidb.f.tags.contains("more")).explain())

    with db.transaction() as tx:
        tx.collection("notes").update(id, entidb.Patch().set("title", "Hi").append("tags", "changed"))
    print("changed:", notes[id])

    try:
        with db.transaction() as tx:
            tx.collection("notes").delete(id)
            raise RuntimeError("changed my mind")
    except RuntimeError:
        print("still there:", id in notes)

    seen = db.position
    notes.update(id, {"title": "Hi again"})
    for batch in db.changes(since=seen):
        for change in batch.changes:
            print("last change:", change.kind, change.collection, change.id)
