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
import "../../js/lib/dispose";
import { native } from "./native";

export { cbor } from "../../js/lib/cbor";
export { type Change, type ChangeBatch, ChangeFeed, type ChangeKind } from "../../js/lib/changes";
export {
  Collection,
  type CollectionOptions,
  type IndexDefinition,
  type IndexOptions,
  type PutOptions,
  type ReplaceOptions,
  type ScanOptions,
} from "../../js/lib/collection";
export { Cursor } from "../../js/lib/cursor";
export { Database, type TransactionOptions, type VerifyReport, open, openMemory } from "../../js/lib/database";
export { deadline } from "../../js/lib/deadline";
export { type Document, type Entity, type EntityFields, idOf, versionOf } from "../../js/lib/entity";
export * from "../../js/lib/errors.g";
export { type Id, type IdLike, idFromBytes, idToBytes } from "../../js/lib/id";
export type { Key } from "../../js/lib/keys";
export type { Options } from "../../js/lib/options";
export { Patch, patch } from "../../js/lib/patch";
export type { Path, Step } from "../../js/lib/path";
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
} from "../../js/lib/query";
export type { Changes, OrderOf, PathOf, Storable, ValueAt } from "../../js/lib/shape";
export { type Durability, Snapshot, Transaction } from "../../js/lib/transaction";
export { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector, type VectorKind } from "../../js/lib/values";

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
