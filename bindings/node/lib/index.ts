/**
 * EntiDB: an embedded entity database.
 *
 * ```ts
 * import { open } from "entidb";
 * using db = open("notes.entidb");
 * const notes = db.collection<{ title: string; tags: string[] }>("notes");
 * const id = notes.put({ title: "Hello", tags: ["first"] });
 * for (const note of notes.find((note) => note.tags.contains("first"))) console.log(note.title);
 * ```
 *
 * Always: synchronous; the promise API is not there yet. Does not know: anything the C ABI does not offer.
 */
import "./dispose";
import { native } from "./native";

export { cbor } from "./cbor";
export { type Change, type ChangeBatch, ChangeFeed, type ChangeKind } from "./changes";
export {
  Collection,
  type CollectionOptions,
  type IndexDefinition,
  type IndexOptions,
  type PutOptions,
  type ReplaceOptions,
  type ScanOptions,
} from "./collection";
export { Cursor } from "./cursor";
export { Database, type TransactionOptions, type VerifyReport, open, openMemory } from "./database";
export { deadline } from "./deadline";
export { type Document, type Entity, type EntityFields, idOf, versionOf } from "./entity";
export * from "./errors.g";
export { type Id, type IdLike, idFromBytes, idToBytes } from "./id";
export type { Key } from "./keys";
export type { Options } from "./options";
export { Patch, patch } from "./patch";
export type { Path, Step } from "./path";
export {
  Condition,
  type Conditions,
  type Explanation,
  type Asked,
  type Field,
  type FieldOf,
  type Fields,
  type FieldsOf,
  type Page,
  Query,
  all,
  any,
  f,
  fields,
  not,
} from "./query";
export type { Changes, OrderOf, PathOf, Storable, ValueAt } from "./shape";
export { type Durability, Snapshot, Transaction } from "./transaction";
export { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector, type VectorKind } from "./values";

/** The version of the library. */
export const version: string = native.version();
/** The version of the C ABI inside. */
export const abiVersion: number = native.abiVersion();
/** The newest file format the library writes. */
export const formatVersion: number = native.formatVersion();
/** Whether the library has a feature. */
export function hasFeature(name: string): boolean {
  return native.hasFeature(name);
}
