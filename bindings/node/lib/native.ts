/**
 * The native half: how it is found, what it offers, and how its failures become errors.
 *
 * Always: everything it throws becomes an `EntidbError`. Does not know: what is asked of it.
 */
import { readdirSync } from "node:fs";
import path = require("node:path");
import v8 = require("node:v8");
import { types } from "node:util";
import { isMainThread } from "node:worker_threads";

import { EntidbError, errorFrom } from "../../js/lib/errors.g";

/** A number that stands for something the native half holds; given once, and never again for something else. */
export type Handle = number;

/**
 * @internal The functions of the native half. A room is a buffer that `lend` gave it, by its number. What is called all the
 * time takes no arguments but what `numbers` holds: handle, room, and what the function is said to want.
 */
export interface Native {
  attach(numbers: Buffer, told: Buffer | undefined): void;
  lend(room: number, buffer: Buffer | undefined): void;
  takeWaiting(room: number): void;
  release(handle: Handle): void;
  handleCount(): number;

  openNative(path: string | undefined, options: Uint8Array): Handle;
  databaseClose(database: Handle): void;
  databaseIsClosed(database: Handle): boolean;
  databaseCollection(database: Handle, name: string): Handle;
  databaseCollections(database: Handle): Buffer;
  databaseCreateCollection(database: Handle, name: string): void;
  databaseRenameCollection(database: Handle, from: string, to: string): void;
  databaseDropCollection(database: Handle, name: string): void;
  databaseBeginRead(database: Handle): Handle;
  databaseBeginWrite(database: Handle, timeoutMs: number): Handle;
  databaseChanges(database: Handle, since: string | undefined): Handle;
  databasePosition(database: Handle): string;
  databaseTrimChanges(database: Handle, through: number): void;
  databaseLastSequence(database: Handle): number;
  databaseWaitDurable(database: Handle, sequence: number, timeoutMs: number): void;
  databaseCheckpoint(database: Handle): void;
  databaseCompact(database: Handle): void;
  databaseVerify(database: Handle, full: boolean): Buffer;
  databaseBackup(database: Handle, path: string): void;
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
  collectionGetMany(collection: Handle, room: number, length: number): number;
  collectionExists(): boolean;
  collectionCount(collection: Handle): number;
  collectionDelete(): boolean;
  collectionDeleteMany(collection: Handle, room: number, length: number): number;
  collectionPutMany(collection: Handle, room: number, length: number, wantsIds: boolean): number;
  collectionCreateIndex(collection: Handle, definition: Uint8Array): boolean;
  collectionDropIndex(collection: Handle, name: string): void;
  collectionIndexes(collection: Handle): Buffer;
  collectionScan(): number;
  collectionFind(): number;
  collectionFindCount(collection: Handle, room: number, length: number): number;
  collectionFindDelete(collection: Handle, room: number, length: number): number;
  collectionFindExplain(collection: Handle, room: number, length: number): Buffer;

  cursorNextBatch(): number;
  cursorToken(cursor: Handle, position: number): Buffer | null;
  feedNext(feed: Handle, timeoutMs: number): Buffer | null;
  feedUnread(feed: Handle): void;
  feedPosition(feed: Handle): string;

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

function platform(): string {
  if (process.platform !== "linux") return `${process.platform}-${process.arch}`;
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return `linux-${process.arch}-${report?.header?.glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}

/** Where the native module is: `dist`, two folders above what tsc makes of this file. */
const PLACE = path.resolve(__dirname, "../..");

function load(): Native {
  const name = `entidb.${platform()}.node`;
  try {
    return require(path.join(PLACE, name)) as Native;
  } catch (error) {
    const there = readdirSync(PLACE).filter((file) => file.endsWith(".node"));
    const found = there.length === 0 ? "none" : there.join(", ");
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw errorFrom(
      211,
      `the native module ${name} cannot be loaded (${why}); the package holds: ${found}; install a package built for this platform, or build it with \`npm run build\``,
      { path: path.join(PLACE, name) },
    );
  }
}

/** @internal The module itself. */
export const native: Native = load();

/** What all copies of this code in a thread share, because the native half has one place for it. */
interface Shared {
  readonly numbers: Float64Array;
  /** Not 0 when the worker is to end. */
  readonly told: Uint8Array;
  /** The encoders, which are rooms of the native half, and how many are in use. */
  readonly rooms: unknown[];
  used: number;
}

/**
 * Test runners load modules again and again into one thread. A module of Node itself is what such copies have in common; a package
 * in another place has another native half, and shares nothing with this one.
 */
function shared(): Shared {
  const name = Symbol.for(`entidb ${PLACE}`);
  const host = v8 as unknown as Record<symbol, Shared | undefined>;
  const known = host[name];
  if (known !== undefined) return known;
  // Memory of its own, which never moves.
  const made: Shared = { numbers: new Float64Array(new ArrayBuffer(64)), told: new Uint8Array(new ArrayBuffer(8)), rooms: [], used: 0 };
  native.attach(Buffer.from(made.numbers.buffer), isMainThread ? undefined : Buffer.from(made.told.buffer));
  Object.defineProperty(host, name, { value: made });
  return made;
}

/** @internal */
export const thread: Shared = shared();

/**
 * @internal What a call without arguments is given: [0] the handle, [1] the room, then what the function wants. Nothing of a
 * user's runs between writing here and the call.
 */
export const numbers: Float64Array = thread.numbers;

const HYPHENS = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;

/** @internal What the native half threw, as the error it stands for. */
export function thrown(error: unknown): unknown {
  if (error instanceof EntidbError || !(error instanceof Error)) return error;
  if (!error.message.startsWith('{"code":')) return error;
  const { code, message, ...context } = JSON.parse(error.message) as { code: number; message: string; id?: string };
  if (context.id !== undefined) context.id = context.id.replace(HYPHENS, "$1-$2-$3-$4-$5");
  const made = errorFrom(code, message, context);
  Error.captureStackTrace?.(made, thrown);
  return made;
}

const { told } = thread;

/**
 * @internal After every call whose outcome matters: a worker that is to end goes no further. What failed since it was told to
 * could not be thrown and looks like success, and nobody may hear of a commit that was not made.
 */
export function goOn(): void {
  if (told[0] !== 0) end();
}

/** Waits for Node to end the worker, which it does at the next turn of a loop. */
function end(): never {
  for (let turn = 0; turn < 1e10; turn++);
  throw errorFrom(207, "the worker is being ended");
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

/** @internal An argument that makes no sense. */
export function refused(message: string, context = {}): EntidbError {
  return errorFrom(101, message, context);
}

/** @internal A text the native half can take. */
export function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw refused(`${what} is text, not ${kindOf(value)}`);
  if (!value.isWellFormed()) throw errorFrom(505, `${what} holds half of a surrogate pair, which is no text`);
  return value;
}

/** @internal A whole number of at least 0. */
export function whole(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw refused(`${what} is a whole number of at least 0, not ${kindOf(value)}`);
  }
  return value;
}

/** @internal A whole number of milliseconds, at most what 32 bits hold. */
export function milliseconds(value: unknown, what: string): number {
  return Math.min(whole(value, what), 0xffff_ffff);
}

/** @internal Refuses a function that is not done when it returns; `what` is what takes it. */
export function synchronous(what: string, run: unknown): void {
  if (types.isGeneratorFunction(run)) throw refused(`${what} takes a function that is done when it returns, not a generator`);
}

/** @internal Whether a function that was to be done gave a promise. The caller is told, so the promise's own failure is not. */
export function isPromised(given: unknown): boolean {
  const promised = given as { then?: unknown } | null | undefined;
  if ((typeof promised !== "object" && typeof promised !== "function") || typeof promised?.then !== "function") return false;
  // Of another class with `then` nothing is known, and calling it may begin what it stands for.
  if (types.isPromise(promised)) promised.then(undefined, () => undefined);
  return true;
}

/** @internal What a value is, for a message: its type by name, and never what it holds unless that is a number or a boolean. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value !== "object") return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  const name = nameOf(value);
  return name === undefined ? "an object" : `${/^[AEIOaeio]/.test(name) ? "an" : "a"} ${name}`;
}

/** The name of an object's class; undefined for plain objects. Asks the prototypes, since a document may have any field. */
function nameOf(value: object): string | undefined {
  for (let at = Object.getPrototypeOf(value) as object | null; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const maker = Object.getOwnPropertyDescriptor(at, "constructor")?.value as unknown;
    if (typeof maker === "function" && typeof maker.name === "string" && maker.name !== "") {
      if (maker.name !== "Object" && maker.name !== "Iterator") return maker.name;
      break;
    }
    if (typeof maker === "function") return "instance of a class without a name";
  }
  // Generators, iterators, `Math` and the like have no class, and say by a tag what they are.
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return tag === "Object" ? undefined : tag;
}

/** @internal Refuses names an options object does not have. */
export function only(options: object | undefined, names: readonly string[], where: string): void {
  if (options === undefined) return;
  if (options === null || typeof options !== "object") throw refused(`the options of ${where} are an object, not ${kindOf(options)}`);
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw errorFrom(103, `${where} has no option ${JSON.stringify(name)}; did you mean ${nearest(name, names)}?`);
  }
}

/** @internal The name that is nearest to a misspelt one. */
export function nearest(name: string, names: readonly string[]): string {
  let best = "";
  let least = Infinity;
  for (const candidate of names) {
    const apart = distance(name.slice(0, 64).toLowerCase(), candidate.toLowerCase());
    if (apart < least) [best, least] = [candidate, apart];
  }
  return best;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
