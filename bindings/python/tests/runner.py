"""Takes the steps of the conformance cases: tests/conformance/README.md says what each means."""

from __future__ import annotations

import pathlib

import entidb
from shared import value_from


def field(path):
    """The field of a dotted path, with ``-`` before it kept apart."""
    return entidb.Field(*entidb._entidb.parse_path(path))


def condition(written):
    """The condition that a case writes as an array."""
    name, *rest = written
    if name == "all":
        return entidb.Expression(("true",))
    if name in ("and", "or"):
        terms = [condition(term) for term in rest]
        if not terms:
            return entidb.Expression((name,))
        joined = terms[0]
        for term in terms[1:]:
            joined = joined & term if name == "and" else joined | term
        return joined
    if name == "not":
        return ~condition(rest[0])
    subject, operands = field(rest[0]), [value_from(operand) for operand in rest[1:]]
    compare = {"eq": "__eq__", "ne": "__ne__", "lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__"}
    method = compare.get(name) or {"in": "is_in"}.get(name, name)
    return getattr(subject, method)(*operands)


def patch_from(written):
    patch = entidb.Patch()
    for name, path, *value in written:
        getattr(patch, name)(path, *(value_from(item) for item in value))
    return patch


def number(id):
    return str(int.from_bytes(id.bytes, "big"))


def id_of(text):
    return entidb.EntityId(int(text).to_bytes(16, "big"))


def shown(entity):
    return "none" if entity is None else f"{number(entity.id)} {entidb.cbor.dumps(dict(entity)).hex()}"


def several(entities):
    return "; ".join(shown(entity) for entity in entities) or "empty"


def names(found):
    return ", ".join(found) or "empty"


def yes(found):
    return "true" if found else "false"


def key(written, prefix=""):
    given = value_from(written)
    return {prefix + ("key" if isinstance(given, bytes) else "password"): given}


def report(found):
    shown = {name: str(value) if name == "sequence" else "+" if value else "0" for name, value in found.items()}
    return ", ".join(f"{name} {shown[name]}" for name in sorted(shown))


class Runner:
    """A database in a folder, or in memory, and what steps remember by name."""

    def __init__(self, folder=None, options=None):
        self.folder = folder
        self.options = {name: value_from(value) for name, value in (options or {}).items()}
        self.transactions, self.savepoints, self.versions, self.places = {}, {}, {}, {}
        self.commits = {}
        self.db = self.open(folder)

    def open(self, folder):
        if folder:
            return entidb.open(folder, **self.options)
        return entidb.open_memory(**self.options)

    def close(self):
        for tx in self.transactions.values():
            if tx.is_open:
                try:
                    tx.abort()
                except entidb.EntidbError:
                    pass
        self.db.close()

    def step(self, step):
        try:
            return getattr(self, "do_" + step["do"])(step) or "ok"
        except entidb.EntidbError as error:
            return f"error {error.name}"

    def where(self, step):
        return self.transactions[step["tx"]] if "tx" in step else self.db

    def into(self, step):
        return self.where(step).collection(step["in"])

    def query(self, step):
        written = step["query"]
        query = self.into(step).find(condition(written["where"]))
        if "order" in written:
            query = query.order_by(*written["order"])
        if "limit" in written:
            query = query.limit(written["limit"])
        if "offset" in written:
            query = query.offset(written["offset"])
        return query

    def found(self, step):
        if "pages" not in step:
            return self.query(step).list()
        query, size = self.query(step), step["pages"]
        page = query.page(size)
        answers = [*page]
        while page.token is not None:
            assert len(page) == size, "only the last page is not full"
            page = query.after(page.token).page(size)
            answers += page
        return answers

    def do_put(self, s):
        self.into(s).put(value_from(s["doc"]), id_of(s["id"]))

    def do_insert(self, s):
        self.into(s).insert(value_from(s["doc"]), id_of(s["id"]))

    def do_replace(self, s):
        version = self.versions[s["if"]] if "if" in s else None
        self.into(s).replace(id_of(s["id"]), value_from(s["doc"]), version=version)

    def do_update(self, s):
        self.into(s).update(id_of(s["id"]), patch_from(s["patch"]))

    def do_delete(self, s):
        version = self.versions[s["if"]] if "if" in s else None
        return yes(self.into(s).delete(id_of(s["id"]), version=version))

    def do_delete_many(self, s):
        return str(self.into(s).delete_many([id_of(id) for id in s["ids"]]))

    def do_put_many(self, s):
        self.into(s).put_many([value_from(doc) for _, doc in s["docs"]], [id_of(id) for id, _ in s["docs"]])

    def do_get(self, s):
        at = {"at": self.commits[s["at"]]} if "at" in s else {}
        entity = self.into(s).get(id_of(s["id"]), **at)
        if entity is not None and "remember" in s:
            self.versions[s["remember"]] = entity.version
        return shown(entity)

    def do_history(self, s):
        versions = self.into(s).history(id_of(s["id"]))
        shown_all = (shown(version.entity) + (" ended" if version.until else "") for version in versions)
        return "; ".join(shown_all) or "empty"

    def do_get_many(self, s):
        return several(self.into(s).get_many([id_of(id) for id in s["ids"]]))

    def do_exists(self, s):
        return yes(self.into(s).exists(id_of(s["id"])))

    def do_count(self, s):
        return str(self.into(s).count())

    def do_scan(self, s):
        after = id_of(s["after"]) if "after" in s else None
        return several(self.into(s).scan(after=after, reverse=s.get("reverse", False), limit=s.get("limit")))

    def do_find(self, s):
        return several(self.found(s))

    def do_find_ids(self, s):
        return " ".join(sorted((number(entity.id) for entity in self.found(s)), key=int)) or "empty"

    def do_find_count(self, s):
        return str(self.query(s).count())

    def do_find_delete(self, s):
        return str(self.query(s).delete())

    def do_explain(self, s):
        return str(self.query(s).explain())

    def do_create_index(self, s):
        options = {name: s[name] for name in ("name", "unique", "multi", "kind") if name in s}
        return yes(self.into(s).create_index(*s.get("fields", ()), **options))

    def keys(self, s):
        return self.into(s).manual_index(s["index"])

    def do_insert_key(self, s):
        return yes(self.keys(s).insert(value_from(s["key"]), id_of(s["id"])))

    def do_remove_key(self, s):
        return yes(self.keys(s).remove(value_from(s["key"]), id_of(s["id"])))

    def do_lookup_key(self, s):
        return names(str(number(id)) for id in self.keys(s).lookup(value_from(s["key"])))

    def do_range_keys(self, s):
        bounds = {to: value_from(s[name]) for name, to in (("from", "start"), ("to", "stop")) if name in s}
        options = {to: s[name] for name, to in (("from_open", "open_start"), ("to_open", "open_stop")) if name in s}
        options |= {name: s[name] for name in ("reverse", "limit") if name in s}
        return names(str(number(id)) for _, id in self.keys(s).range(**bounds, **options))

    def do_count_keys(self, s):
        return str(len(self.keys(s)))

    def do_drop_index(self, s):
        self.into(s).drop_index(s["name"])

    def do_indexes(self, s):
        return names(index.name for index in self.into(s).indexes())

    def do_collections(self, s):
        return names(self.where(s).collections())

    def do_create_collection(self, s):
        self.where(s).create_collection(s["name"])

    def do_drop_collection(self, s):
        self.where(s).drop_collection(s["name"])

    def do_rename_collection(self, s):
        self.where(s).rename_collection(s["from"], s["to"])

    def do_begin(self, s):
        at = self.commits[s["at"]] if "at" in s else None
        begun = self.db.begin_read(at=at) if s.get("read") else self.db.transaction(timeout=0)
        self.transactions[s["as"]] = begun

    def do_commit(self, s):
        self.transactions[s["tx"]].commit()

    def do_abort(self, s):
        self.transactions[s["tx"]].abort()

    def do_savepoint(self, s):
        self.savepoints[s["as"]] = self.transactions[s["tx"]].savepoint()

    def do_rollback(self, s):
        self.transactions[s["tx"]].rollback_to(self.savepoints[s["to"]])

    def do_changes(self, s):
        feed = self.db.changes(self.places.get(s["since"]), before=s.get("before", False))
        commits = []
        for batch in feed:
            self.places[s["since"]] = batch.position
            commits.append(" + ".join(self.change(change) for change in batch.changes))
        return " | ".join(commits) or "empty"

    def change(self, change):
        line = f"{change.kind} {change.collection}"
        if change.id is not None:
            line += f" {number(change.id)}"
        if change.document is not None:
            line += f" {entidb.cbor.dumps(change.document).hex()}"
        if change.kind in ("key_inserted", "key_removed"):
            line += f" {entidb.cbor.dumps({'index': change.name, 'key': change.key}).hex()}"
        if change.before is not None:
            line += f" before {entidb.cbor.dumps(change.before).hex()}"
        return line

    def do_mark(self, s):
        self.commits[s["as"]] = self.db.last_sequence

    def do_trim(self, s):
        self.db.trim_changes(self.commits[s["through"]])

    def do_checkpoint(self, s):
        done = self.db.checkpoint()
        return report(done) if "report" in s else None

    def do_compact(self, s):
        done = self.db.compact()
        return report(done) if "report" in s else None

    def place(self, s, name):
        return f"{self.folder}-{s[name]}"

    def options_of(self, s):
        return {name: value_from(value) for name, value in s.get("options", {}).items()}

    def do_collection_stats(self, s):
        stats = self.into(s).stats()
        indexes = "".join(f"; {index['index']} {index['kind']} {index['rows']}" for index in stats["indexes"])
        return f"{stats.get('id', 'none')} {stats['name']} {stats['entities']}{indexes}"

    def do_key_list(self, s):
        return ", ".join(f"{slot['slot']} {slot['kind']}" for slot in self.db.keys())

    def do_key_add(self, s):
        self.db.add_key(**key(s["key"]), **key(s["new"], "new_"))

    def do_key_change(self, s):
        self.db.change_key(**key(s["key"]), **key(s["new"], "new_"))

    def do_key_remove(self, s):
        self.db.remove_key(**key(s["key"]))

    def do_key_rotate(self, s):
        self.db.rotate_key()

    def do_key_rekey(self, s):
        return yes(self.db.rekey())

    def do_backup(self, s):
        return report(self.db.backup(self.place(s, "to")))

    def do_validate_backup(self, s):
        return yes(entidb.validate_backup(self.place(s, "from"), **self.options_of(s))["ok"])

    def do_restore(self, s):
        return report(entidb.restore(self.place(s, "from"), self.place(s, "to"), **self.options_of(s)))

    def do_restore_memory(self, s):
        self.close()
        self.db = entidb.restore_memory(self.place(s, "from"), **self.options_of(s))

    def do_damage(self, s):
        largest = max(pathlib.Path(self.place(s, "place"), "seg").iterdir(), key=lambda file: file.stat().st_size)
        data = bytearray(largest.read_bytes())
        data[len(data) // 2] ^= 0xFF
        largest.write_bytes(data)

    def do_close(self, s):
        self.db.close()

    def do_reopen(self, s):
        self.close()
        kept = self.options
        self.options = kept | {name: value_from(value) for name, value in s.get("options", {}).items()}
        try:
            self.db = self.open(self.place(s, "place") if "place" in s else self.folder)
        finally:
            self.options = kept

    def do_config(self, s):
        value = self.db.config()[s["name"]]
        return yes(value) if isinstance(value, bool) else str(value)

    def do_verify(self, s):
        return yes(self.db.verify(full=True)["ok"])
