// What does not compile: each line under a mark is an error, or the mark is one. Not run.
import { Decimal, EntityId, type Entity, Float, Timestamp, Uuid, f, fields, openMemory, openMemoryAsync, patch } from "entidb";

interface Note {
  title: string;
  tags: string[];
  at: Date;
  status: "open" | "done";
  author: { name: string };
  amount: Decimal;
  count: number;
}

const db = openMemory();
const notes = db.collection<Note>("notes");
declare const note: Entity<Note>;
declare const whole: Note;

// A copy of an entity has no id and no version.
const copy = { ...note };
// @ts-expect-error
copy.id;
// @ts-expect-error
copy.version;
// @ts-expect-error
copy.toJSON();
// @ts-expect-error
note.id = "x";
// @ts-expect-error
notes.put({ ...note, titel: "x" });

// Names that documents do not have.
// @ts-expect-error
notes.find((note) => note.titel.eq("x"));
// @ts-expect-error
notes.find((note) => note.author.nam.eq("x"));
// @ts-expect-error
notes.find((note) => note.title.length.eq(1));
// @ts-expect-error
notes.find().orderBy("titel");
// @ts-expect-error
notes.find().orderBy("-author.nam");
// @ts-expect-error
notes.createIndex("tag", { multi: true });
// @ts-expect-error
notes.createIndex({ kind: "manual" });
// @ts-expect-error
notes.manualIndex("by_phone").range({ form: 1 });
// @ts-expect-error
notes.update("x", { titel: "Hi" });
// @ts-expect-error
notes.update("x", { "author.nam": "Ada" });
// @ts-expect-error
patch<Note>().remove("titel");

// Values that fields cannot have.
// @ts-expect-error
notes.find((note) => note.title.eq(1));
// @ts-expect-error
notes.find((note) => note.title.eq(null));
// @ts-expect-error
notes.find((note) => note.at.gt("2026-01-01"));
// @ts-expect-error
notes.find((note) => note.status.eq("opne"));
// @ts-expect-error
notes.find((note) => note.status.in(["open", "shut"]));
// @ts-expect-error
notes.find((note) => note.tags.contains(1));
// @ts-expect-error
notes.find((note) => note.title.contains("x"));
// @ts-expect-error
notes.find((note) => note.count.startsWith("x"));
// @ts-expect-error
notes.find((note) => note.amount.gte(10));
// @ts-expect-error
notes.find((note) => note.count.between(1, "2"));
// @ts-expect-error
notes.find(f.count.in(5));
// @ts-expect-error
notes.update("x", { title: 5 });
// @ts-expect-error
notes.update("x", { "author.name": 5 });
// @ts-expect-error
patch<Note>().set("count", "x");
// @ts-expect-error
patch<Note>().increment("title");
// @ts-expect-error
patch<Note>().append("tags", 1);
// @ts-expect-error
patch<Note>().append("title", "x");
// @ts-expect-error
notes.put({ ...whole, count: "x" });

// Conditions and patches of other documents.
interface Other { other: number }
// @ts-expect-error
notes.find(fields<Other>().other.eq(1));
// @ts-expect-error
notes.update("x", patch<Other>().set("other", 1));
// @ts-expect-error
notes.find(fields<Note>().count.eq(1).and(fields<Other>().other.eq(1)));

// Types that are read as another.
// @ts-expect-error
db.collection<{ n: bigint }>("x");
// @ts-expect-error
db.collection<{ deep: { list: { n: bigint }[] } }>("x");
// @ts-expect-error
db.collection<{ at: Timestamp }>("x");
// @ts-expect-error
db.collection<{ x: Float }>("x");
// @ts-expect-error
db.collection<{ b: Buffer }>("x");
// @ts-expect-error
db.collection<{ b: ArrayBuffer }>("x");
// @ts-expect-error
db.collection<{ m: Map<string, number> }>("x");
// @ts-expect-error
db.collection<{ s: Set<string> }>("x");
// @ts-expect-error
db.collection<{ u: URL }>("x");
// @ts-expect-error
db.collection<{ f: () => void }>("x");
// @ts-expect-error
db.collection<{ s: symbol }>("x");
class Model { title = ""; save(): void {} }
// @ts-expect-error
db.snapshot().collection<Model>("x");

// Classes that look alike.
// @ts-expect-error
const uuid: Uuid = new EntityId("x");
// @ts-expect-error
const decimal: Decimal = { mantissa: 1n, exponent: 1n, toJSON: () => "", toNumber: () => 1 };
void [uuid, decimal];

interface Shelf { byName: Record<string, { count: number; tags: string[] }> }
const shelves = db.collection<Shelf>("shelves");
// @ts-expect-error
shelves.update("x", { "byName.any.count": true });
// @ts-expect-error
shelves.update("x", { "byName.any": new Date() });
// @ts-expect-error
shelves.update("x", { byName: 5 });

// With promises the same names and values are refused.
async function promises(): Promise<void> {
  const later = (await openMemoryAsync()).collection<Note>("notes");
  // @ts-expect-error
  await later.put({ titel: "x" });
  // @ts-expect-error
  later.find((note) => note.titel.eq("x"));
  // @ts-expect-error
  await later.get("x", { sginal: undefined });
  // @ts-expect-error
  (await later.get("x"))?.titel;
  // @ts-expect-error
  for (const note of later) void note;
  // @ts-expect-error
  await later.update("x", { count: "five" });
}
void promises;
