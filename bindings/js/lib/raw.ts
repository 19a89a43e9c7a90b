/**
 * The interface between this code and a native half: the functions it offers, and the memory both use.
 *
 * Always: each thread has one native half, installed before anything else of this folder runs; whatever it throws becomes an
 * `EntidbError`. Does not know: how a native half is loaded, or what it is made of.
 */
import { code } from "./codes.g";
import { EntidbError, errorFrom } from "./errors.g";
import { spelt } from "./options";

/** The number of an object that the native half holds; a number is never used again for another object. */
export type Handle = number;

/**
 * @internal The functions of a native half. Buffers are lent to it by `lend` and named by their index. Calls on the hot path take no
 * arguments: they read `numbers`, which holds the handle, the index of the buffer, and what the function documents.
 */
export interface Raw {
  attach(numbers: Buffer, told: Buffer | undefined): void;
  lend(bufferIndex: number, buffer: Buffer | undefined): void;
  takeWaiting(bufferIndex: number): void;
  release(handle: Handle): void;
  handleCount(): number;

  openNative(path: string | undefined, options: Uint8Array): Handle;
  validateBackup(backup: string, options: Uint8Array): Buffer;
  restore(backup: string, path: string, options: Uint8Array): Buffer;
  restoreMemory(backup: string, options: Uint8Array): Handle;
  databaseClose(database: Handle): void;
  databaseIsClosed(database: Handle): boolean;
  databaseCollection(database: Handle, name: string): Handle;
  databaseCollections(database: Handle): Buffer;
  databaseCreateCollection(database: Handle, name: string): void;
  databaseRenameCollection(database: Handle, from: string, to: string): void;
  databaseDropCollection(database: Handle, name: string): void;
  databaseBeginRead(database: Handle): Handle;
  databaseBeginReadAt(database: Handle, sequence: number): Handle;
  databaseBeginWrite(database: Handle, timeoutMs: number): Handle;
  databaseChanges(database: Handle, since: string | undefined): Handle;
  databasePosition(database: Handle): string;
  databaseNewId(database: Handle): string;
  databaseTrimChanges(database: Handle, through: number): void;
  databaseLastSequence(database: Handle): number;
  databaseWaitDurable(database: Handle, sequence: number, timeoutMs: number): void;
  databaseCheckpoint(database: Handle): Buffer;
  databaseCompact(database: Handle): Buffer;
  databaseVerify(database: Handle, full: boolean): Buffer;
  databaseBackup(database: Handle, path: string): Buffer;
  databaseKeys(database: Handle): Buffer;
  databaseChangeKey(database: Handle, from: Uint8Array, fromIsPassword: boolean, to: Uint8Array, toIsPassword: boolean): void;
  databaseAddKey(database: Handle, existing: Uint8Array, existingIsPassword: boolean, added: Uint8Array, addedIsPassword: boolean): void;
  databaseRemoveKey(database: Handle, key: Uint8Array, isPassword: boolean): void;
  databaseRotateKey(database: Handle): void;
  databaseRekey(database: Handle): boolean;
  databaseStats(database: Handle): Buffer;
  databaseConfig(database: Handle): Buffer;
  databaseOpenReport(database: Handle): Buffer;

  transactionCollection(transaction: Handle, name: string): Handle;
  transactionCollections(transaction: Handle): Buffer;
  transactionCreateCollection(transaction: Handle, name: string): void;
  transactionRenameCollection(transaction: Handle, from: string, to: string): void;
  transactionDropCollection(transaction: Handle, name: string): void;
  transactionSavepoint(transaction: Handle): number;
  transactionRollbackTo(transaction: Handle, savepoint: number): void;
  transactionSequence(transaction: Handle): number;
  transactionPosition(transaction: Handle): string;
  transactionCommit(transaction: Handle, durability: number): number;
  transactionAbort(transaction: Handle): void;
  transactionIsOpen(transaction: Handle): boolean;

  collectionPutNew(): string;
  collectionPut(): void;
  collectionUpdate(): void;
  collectionGet(): number;
  collectionGetAsOf(collection: Handle, id: Uint8Array, sequence: number): Buffer | null;
  collectionHistory(collection: Handle, id: Uint8Array, after: number): Buffer;
  collectionGetMany(collection: Handle, bufferIndex: number, length: number): number;
  collectionExists(): boolean;
  collectionCount(collection: Handle): number;
  collectionDelete(): boolean;
  collectionDeleteMany(collection: Handle, bufferIndex: number, length: number): number;
  collectionPutMany(collection: Handle, bufferIndex: number, length: number, wantsIds: boolean): number;
  collectionCreateIndex(collection: Handle, definition: Uint8Array): boolean;
  collectionDropIndex(collection: Handle, name: string): void;
  collectionIndexes(collection: Handle): Buffer;
  collectionStats(collection: Handle): Buffer;
  collectionInsertKey(collection: Handle, index: string, key: Uint8Array, id: Uint8Array): boolean;
  collectionRemoveKey(collection: Handle, index: string, key: Uint8Array, id: Uint8Array): boolean;
  collectionLookupKey(collection: Handle, index: string, key: Uint8Array): Buffer;
  collectionScanKeys(collection: Handle, index: string, range: Uint8Array): Handle;
  cursorNextKeys(cursor: Handle, countMax: number, bytesMax: number): Buffer | null;
  collectionCountKeys(collection: Handle, index: string): number;
  collectionScan(): number;
  collectionFind(): number;
  collectionFindCount(collection: Handle, bufferIndex: number, length: number): number;
  collectionFindDelete(collection: Handle, bufferIndex: number, length: number): number;
  collectionFindExplain(collection: Handle, bufferIndex: number, length: number): Buffer;

  cursorNextBatch(): number;
  cursorToken(cursor: Handle, position: number): Buffer | null;
  feedNext(feed: Handle, timeoutMs: number): Buffer | null;
  feedClose(feed: Handle): void;
  feedWithBefore(feed: Handle): void;
  feedUnread(feed: Handle): void;
  feedPosition(feed: Handle): string;

  asyncAttach(wake: () => void): string[];
  asyncSubmit(bufferIndex: number, length: number): void;
  asyncTake(bufferIndex: number): number;
  asyncCancel(id: number): void;
  asyncThreadCount(): number;

  deadlineEnter(timeoutMs: number): void;
  deadlineLeave(): void;

  version(): string;
  abiVersion(): number;
  formatVersion(): number;
  hasFeature(name: string): boolean;
  codeName(code: number): string;
  codeHint(code: number): string;
  validate(bytes: Uint8Array): void;
  canonicalise(bytes: Uint8Array): Buffer;
  path(text: string): Buffer;
}

/** @internal What all copies of this code in a thread share, because the native half has one place for it. */
export interface Shared {
  readonly numbers: Float64Array;
  /** Not 0 when the worker is to end. */
  readonly told: Uint8Array;
  /** The encoders, whose buffers are lent to the native half, by the index of their buffer. */
  readonly encoders: unknown[];
  /** How many encoders are in use. */
  used: number;
  /** The requests with promises, once there was one. */
  requests?: object;
}

/** @internal The native half of this thread. */
export let raw: Raw;

/** @internal The memory shared with it. */
export let thread: Shared;

let told: Uint8Array;

/**
 * @internal The arguments of calls that take none: [0] the handle, [1] the index of the buffer, then what the function documents.
 * No code of a user runs between writing here and the call.
 */
export let numbers: Float64Array;

/** @internal Installs the native half. Its entry point does this first. */
export function install(half: Raw, shared: Shared): void {
  raw = half;
  thread = shared;
  numbers = shared.numbers;
  told = shared.told;
}

const HYPHENS = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;

/** @internal What the native half threw, as the error it stands for. */
export function thrown(error: unknown): unknown {
  if (error instanceof EntidbError || !(error instanceof Error)) return error;
  if (!error.message.startsWith('{"code":')) return error;
  const { code, message, ...context } = JSON.parse(error.message) as { code: number; message: string; id?: string };
  if (context.id !== undefined) context.id = context.id.replace(HYPHENS, "$1-$2-$3-$4-$5");
  const made = errorFrom(code, spelt(message), context);
  Error.captureStackTrace?.(made, thrown);
  return made;
}

/**
 * @internal Stops a worker that is being terminated. Runs after every call whose result matters: a call that fails while the worker
 * ends cannot throw and looks like a success, and no program may be told of a commit that was not made.
 */
export function goOn(): void {
  if (told[0] !== 0) end();
}

/** Loops until the host ends the worker. */
function end(): never {
  for (let turn = 0; turn < 1e10; turn++);
  throw errorFrom(code.CANCELLED, "the worker is being ended");
}

/** @internal Calls the native half. */
export function call<T>(run: () => T): T {
  let given: T;
  try {
    given = run();
  } catch (error) {
    throw thrown(error);
  }
  goOn();
  return given;
}

