/**
 * The public list of EntiDB in JavaScript, the same for every host.
 *
 * Always: what begins with `Async` has the methods of what is called the same without it, with promises. Does not know: which native half runs below; the package installs it first.
 */
import "./dispose";
import { raw } from "./raw";

export { AsyncChangeFeed } from "./async/changes";
export { AsyncCollection } from "./async/collection";
export { AsyncCursor } from "./async/cursor";
export { AsyncDatabase, openAsync, openMemoryAsync, restoreAsync, restoreMemoryAsync, validateBackupAsync } from "./async/database";
export { AsyncManualIndex } from "./async/manual";
export { AsyncQuery } from "./async/query";
export type { CallOptions, Signal } from "./async/requests";
export { AsyncSnapshot, AsyncTransaction } from "./async/transaction";
export { cbor } from "./cbor";
export { type Change, type ChangeBatch, ChangeFeed } from "./changes";
export {
  Collection,
  type CollectionOptions,
  type IndexDefinition,
  type IndexOptions,
  type ManualIndexOptions,
  type PutOptions,
  type ReplaceOptions,
  type ScanOptions,
} from "./collection";
export { Cursor } from "./cursor";
export { Database, type TransactionOptions, open, openMemory, restore, restoreMemory, validateBackup } from "./database";
export { deadline } from "./deadline";
export { type Document, type Entity, type EntityFields, idOf, versionOf } from "./entity";
export * from "./errors.g";
export { type Id, type IdLike, idFromBytes, idToBytes } from "./id";
export type {
  BackupReport,
  ChangeKind,
  CheckpointReport,
  CollectionStats,
  CompactReport,
  Compression,
  Config,
  Durability,
  IndexStats,
  KeySlot,
  OpenReport,
  Options,
  Problem,
  ScanPolicy,
  Stats,
  VerifyReport,
} from "./interface.g";
export type { Key } from "./keys";
export { type KeyRange, ManualIndex } from "./manual";
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
export { Snapshot, Transaction } from "./transaction";
export { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector, type VectorKind } from "./values";

/** The version of the library. */
export const version: string = raw.version();
/** The version of the C ABI in it. */
export const abiVersion: number = raw.abiVersion();
/** The newest file format the library writes. */
export const formatVersion: number = raw.formatVersion();
/** Whether the library has a feature. */
export function hasFeature(name: string): boolean {
  return raw.hasFeature(name);
}
