// What compiles, under every strict option. Not run: the types are the test.
import {
  type AsyncCollection, type AsyncQuery, type Collection, Decimal, type Entity, EntityId, type Fields, Float, type Id, Timestamp, Uuid, Vector, all, any, cbor, f, fields, not, openMemory, openMemoryAsync, patch,
} from "entidb";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <A, B>(same: Same<A, B>): void => void same;

interface Author {
  name: string;
  born?: number | undefined;
}

interface Note {
  title: string;
  tags: string[];
  at: Date;
  status: "open" | "done";
  author: Author;
  lines: readonly { price: Decimal; count: number; note?: string }[];
  size: number | bigint;
  seen?: Date | Timestamp;
  blob: Uint8Array;
  place: Float32Array;
  owner: EntityId;
  flag: boolean;
  nothing: string | null;
  free: unknown;
  more: Record<string, number>;
  eq: number;
  name: string;
  tree: Tree;
}

interface Tree {
  value: number;
  below: Tree[];
}

const db = openMemory();
const notes = db.collection<Note>("notes");

// What is read: the document, with id and version; what a copy has.
declare const note: Entity<Note>;
is<typeof note.id, Id>(true);
is<typeof note.version, number>(true);
is<typeof note.title, string>(true);
is<typeof note.size, number | bigint>(true);
const shown = note.toJSON();
is<typeof shown.id, string>(true);
is<typeof shown.title, string>(true);
notes.put(note);
notes.put({ ...note, title: "x" });
notes.putMany([note]);
const read: Entity<Note> | undefined = notes.get("x");
void read;

// A document with fields of these names has its own.
interface Own { id: number; version: string; toJSON: boolean }
const own = db.collection<Own>("own").get("x")!;
is<typeof own.id, number>(true);
is<typeof own.version, string>(true);
is<typeof own.toJSON, boolean>(true);

// Conditions on typed fields.
notes.find((note) => note.title.eq("x"));
notes.find((note) => note.title.startsWith("x").and(note.at.gt(new Date()), note.at.lte(Timestamp.now())));
notes.find((note) => note.tags.contains("a").or(note.tags.eq("a"), note.tags.eq(["a", "b"]), note.tags.startsWith("a")));
notes.find((note) => note.status.in(["open", "done"]));
notes.find((note) => note.author.name.eq("Ada").and(note.author.born.gt(1800)));
notes.find((note) => note.lines[0]!.price.eq(Decimal.parse("1")).and(note.lines[0]!.count.between(1, 2n)));
notes.find((note) => note.size.gt(1).and(note.size.gt(1n), note.size.gt(new Float(1))));
notes.find((note) => note.blob.eq(new Uint8Array()).and(note.owner.eq(new EntityId("x")), note.flag.eq(true), note.nothing.eq(null)));
notes.find((note) => note.free.eq(1).and(note.free.startsWith("x")));
notes.find((note) => note.more["a"]!.gt(1));
notes.find((note) => note.eq.eq(1).and(note.name.eq("x"), note.nothing.isNull(), note.seen.exists(), note.seen.exists().not()));
notes.find((note) => note.tree.below[0]!.below[1]!.value.gt(1));
const typed = fields<Note>();
const condition = all(typed.title.eq("x"), any(typed.flag.eq(true), not(typed.tags.contains("a"))));
notes.find(condition).orderBy("-at", "author.name", "lines.0.price", "tree.below.0.value", "more.a").limit(1).page(1).entities[0]?.title;
notes.createIndex("tags", { multi: true });
notes.createIndex("author.name", "-at", { unique: true });
notes.createIndex({ kind: "manual", name: "by_phone", unique: true });
for (const [key, at] of notes.manualIndex("by_phone").range({ from: 1, to: ["x"], reverse: true })) console.log(key, at.length);

// Members of functions and objects are fields of `f`.
for (const field of [
  f["name"]!, f.name, f.length, f.call, f.apply, f.bind, f.arguments, f.caller, f.prototype, f.constructor, f.toString, f.toLocaleString, f.valueOf,
  f.hasOwnProperty, f.isPrototypeOf, f.propertyIsEnumerable, f("author.name"), f(["we.ird", 0]), f.name.name.length.toString,
]) {
  notes.find(field.eq(1).and(field.startsWith("x"), field.contains(null)));
}
const plain: Fields = f;
void plain;

// Numbers as names.
const yearly = db.collection<{ perYear: Record<string, number>; byNumber: Record<number, { n: number }>; 2024: number }>("yearly");
yearly.find((x) => x.perYear["2024"]!.gt(1).and(x.byNumber[7]!.n.eq(1), x[2024].eq(1))).orderBy("perYear.2024", "-2024");

// Options that are not given.
const perhaps: { at: number | undefined; text: string | undefined; flag: boolean | undefined } = { at: undefined, text: undefined, flag: undefined };
openMemory({ readOnly: perhaps.flag, feedCommitsMax: perhaps.at, durability: undefined, password: perhaps.text });
db.collection<Note>("notes", { exact: perhaps.flag });
db.transaction(() => 1, { timeoutMs: perhaps.at, durability: undefined });
db.begin({ timeoutMs: perhaps.at }).abort();
db.changes({ since: perhaps.text, exact: perhaps.flag, before: perhaps.flag });
db.snapshot({ at: perhaps.at });
db.verify({ full: perhaps.flag });
db.close({ abort: perhaps.flag });
notes.put(note, { id: perhaps.text });
notes.insert(note, { id: perhaps.text });
notes.replace("x", note, { version: perhaps.at });
notes.putMany([note], { ids: undefined });
notes.get("x", { at: perhaps.at });
notes.delete("x", { version: perhaps.at });
notes.scan({ after: perhaps.text, reverse: perhaps.flag, limit: perhaps.at });
notes.createIndex("title", { name: perhaps.text, unique: perhaps.flag, multi: perhaps.flag });
notes.createIndex({ kind: "manual", name: "m", unique: perhaps.flag });
notes.manualIndex("m").range({ from: undefined, fromOpen: perhaps.flag, toOpen: perhaps.flag, reverse: perhaps.flag, limit: perhaps.at });
notes.find().after(perhaps.text);
cbor.decode(new Uint8Array(), { exact: perhaps.flag });

// Changes and patches.

// Below a field whose names are any text, too.
interface Shelf { byName: Record<string, { count: number; tags: string[]; at: { x: number } }>; more: Record<string, Record<string, number>> }
const shelves = db.collection<Shelf>("shelves");
shelves.update("x", { "byName.any": { count: 1, tags: [], at: { x: 1 } }, "byName.any.count": 2, "byName.any.tags": ["a"], "byName.any.at.x": 3 });
shelves.update("x", { "more.any": { a: 1 }, "more.any.other": 1 });
const counts = db.collection<Record<string, { count: number }>>("counts");
counts.update("x", { any: { count: 1 }, "any.count": 2 });
notes.update("x", { title: "Hi", "author.name": "Ada", "lines.0.count": 3, size: 5n, seen: Timestamp.now(), "more.any": 1, nothing: null });
notes.update("x", patch<Note>().set("title", "Hi").set("author.born", 1815).increment("size", 2n).increment("lines.0.price", Decimal.parse("1")));
notes.update("x", patch<Note>().append("tags", "a").append("lines", { price: Decimal.parse("1"), count: 1 }).remove("seen").set(["any", "path"], 1));
notes.update("x", patch().set("anything", 1).increment("goes"));

// Collections without a type.
const free = db.collection("free");
free.put({ anything: [1, "x"] });
free.get("x")?.["anything"].goes;
free.find(f.a!.b!.c!.eq(1)).orderBy("-what.ever").first();
free.find((document) => document["a"]!.eq(1).and(document("x.y").eq(1)));
free.update("x", { "what.ever": 1 });
free.createIndex("what.ever");

// Unions, what is nested, and what stands for values.
type Shape = { kind: "circle"; radius: number } | { kind: "square"; side: number };
const shapes = db.collection<Shape>("shapes");
shapes.find((shape) => shape.kind.eq("circle").and(shape.radius.gt(1), shape.side.gt(1))).orderBy("radius", "-side");
db.collection<{ u: Uuid; v: Vector; d: number | Float; m: Map<number, string>; deep: { a: { b: [number, string] } } }>("values");
db.transaction((tx) => tx.collection<Note>("notes").count());

// Code that does not know the type.
class Repository<T extends { title: string }> {
  readonly #collection: Collection<T>;
  constructor(collection: Collection<T>) {
    this.#collection = collection;
  }
  titles(): string[] {
    return this.#collection.find(f.title!.exists()).toArray().map((entity) => entity.title);
  }
  add(document: T): Id {
    return this.#collection.put(document);
  }
}
new Repository(notes).titles();

async function promises(whole: Note, id: Id): Promise<void> {
  await using later = await openMemoryAsync({ durability: "none", signal: AbortSignal.timeout(5) });
  const own = later.collection<Note>("notes");
  is<typeof own, AsyncCollection<Note>>(true);
  is<Awaited<ReturnType<typeof own.get>>, Entity<Note> | undefined>(true);
  is<Awaited<ReturnType<typeof own.putMany>>, Id[]>(true);
  await own.put(whole, { id, signal: new AbortController().signal });
  await own.update(id, { "author.name": "Ada" });
  await own.update(id, patch<Note>().set("title", "x"));
  await own.createIndex("status", "-at", { unique: true, signal: AbortSignal.abort() });
  await own.createIndex({ kind: "manual", name: "m" });
  const query = own.find((note) => note.tags.contains("x").and(note.status.eq("done"))).orderBy("-at").limit(3);
  is<typeof query, AsyncQuery<Note>>(true);
  for await (const note of query) note.title.length;
  for await (const note of own) note.id;
  const reader = query.stream().getReader();
  is<Awaited<ReturnType<typeof reader.read>>["value"], Entity<Note> | undefined>(true);
  const size: number = await later.transaction(async (tx) => (await tx.collection<Note>("notes").get(id))?.title.length ?? 0, { timeoutMs: 5 });
  const text: string = await later.transaction(() => "plain");
  await using snapshot = await later.snapshot({ at: 5 });
  snapshot.position.length + snapshot.sequence;
  await using feed = await later.changes({ since: await later.position, before: true });
  (await feed.next(5))?.changes[0]?.before;
  for await (const batch of feed) batch.endsCommit;
  await using cursor = query.cursor();
  (await cursor.next()).value?.title;
  cursor.token?.length;
  const index = await own.manualIndex("m");
  (await index.size) + (await index.lookup(5)).length + text.length + size;
  for await (const [key, at] of index.range({ from: 1 })) [key, at.length];
}
void promises;
