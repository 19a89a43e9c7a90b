/**
 * Databases whose methods return promises.
 *
 * Always: as `Database`, with the same names; what can wait or take long is done on another thread, and the loop goes on. One that is
 * dropped while open is closed, with a warning. Does not know: files.
 */
import { kindOf, milliseconds, only, refused, synchronous, text, whole } from "../argument";
import { notCloneable } from "../clone";
import { code } from "../codes.g";
import type { CollectionOptions } from "../collection";
import { type TransactionOptions, reportOf, verifyReportOf } from "../database";
import { decodeValue } from "../decode";
import { encodeValue } from "../encode";
import type { Document } from "../entity";
import { errorFrom } from "../errors.g";
import { context, warn } from "../host";
import type { Id } from "../id";
import type {
  BackupReport, CheckpointReport, CompactReport, Config, Durability, KeySlot, OpenReport, Options, Stats, VerifyReport,
} from "../interface.g";
import { type Key, keyOf } from "../keys";
import { camelKeys, optionsOf } from "../options";
import { type Handle, call, raw } from "../raw";
import { Scope } from "../scope";
import type { Storable } from "../shape";
import { durabilityOf, warnAbandoned } from "../transaction";
import { AsyncChangeFeed } from "./changes";
import { AsyncCollection } from "./collection";
import {
  type CallOptions, Lane, Operation, type Reply, type Requests, bytesBehindNumber, bytesOf, flagOf, none, numberOf, request, textOf,
} from "./requests";
import { signalOf } from "./signal";
import { Target, deadlock } from "./target";
import { AsyncSnapshot, AsyncTransaction, within } from "./transaction";

const OPEN = new Operation("open");
const RESTORE_MEMORY = new Operation("restoreMemory");
const VALIDATE_BACKUP = new Operation("validateBackup");
const RESTORE = new Operation("restore");
const CLOSE = new Operation("databaseClose");
const COLLECTIONS = new Operation("databaseCollections");
const CREATE = new Operation("databaseCreateCollection");
const RENAME = new Operation("databaseRenameCollection");
const DROP = new Operation("databaseDropCollection");
const BEGIN_WRITE = new Operation("databaseBeginWrite");
const BEGIN_READ = new Operation("databaseBeginRead");
const CHANGES = new Operation("databaseChanges");
const POSITION = new Operation("databasePosition");
const TRIM = new Operation("databaseTrimChanges");
const WAIT_DURABLE = new Operation("databaseWaitDurable");
const CHECKPOINT = new Operation("databaseCheckpoint");
const COMPACT = new Operation("databaseCompact");
const VERIFY = new Operation("databaseVerify");
const BACKUP = new Operation("databaseBackup");
const KEYS = new Operation("databaseKeys");
const CHANGE_KEY = new Operation("databaseChangeKey");
const ADD_KEY = new Operation("databaseAddKey");
const REMOVE_KEY = new Operation("databaseRemoveKey");
const ROTATE_KEY = new Operation("databaseRotateKey");
const REKEY = new Operation("databaseRekey");
const STATS = new Operation("databaseStats");
const ABORT = new Operation("transactionAbort");

function key(to: Requests, [bytes, isPassword]: [Uint8Array, boolean]): void {
  to.bytes(bytes);
  to.flag(isPassword);
}

/** A report, by the names of JavaScript. */
function report<R>(reply: Reply): R {
  return reportOf(bytesOf(reply));
}

const NOT_CLONEABLE = notCloneable("AsyncDatabase", "open it in the thread that uses it");

/** An open database, with promises. */
export class AsyncDatabase {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The folder; undefined for one in memory. */
  readonly path: string | undefined;
  readonly #scope: Scope;
  readonly #target: Target;

  /** @internal */
  constructor(path: string | undefined, handle: Handle) {
    this.path = path;
    this.#scope = new Scope(handle, "database", undefined, path);
    this.#target = new Target(this.#scope, this, false);
    abandoned.register(this, { handle, path }, this);
  }

  #ask<T>(operation: Operation, lane: Lane, options: CallOptions | undefined, write: ((to: Requests) => void) | undefined, read: (reply: Reply) => T): Promise<T> {
    return this.#target.ask(operation, lane, signalOf(options), write, read);
  }

  /** The collection with this name. It is created with its first entity. */
  collection<T extends Storable<T> = Document>(name: string, options?: CollectionOptions): AsyncCollection<T> {
    return new AsyncCollection<T>(name, this.#target, options);
  }

  /** The names of the collections, sorted. */
  async collections(options?: CallOptions): Promise<string[]> {
    only(options, ["signal"], "collections");
    return this.#ask(COLLECTIONS, Lane.Read, options, undefined, (reply) => decodeValue(bytesOf(reply)) as string[]);
  }

  /** Creates an empty collection. @throws CollectionExistsError. */
  async createCollection(name: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "createCollection");
    const given = text(name, "the name of a collection");
    return this.#ask(CREATE, Lane.Write, options, (to) => to.text(given), none);
  }

  /** Renames a collection. @throws CollectionNotFoundError, CollectionExistsError. */
  async renameCollection(from: string, to: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "renameCollection");
    const [before, after] = [text(from, "the name of a collection"), text(to, "the new name of a collection")];
    await this.#ask(RENAME, Lane.Write, options, (request) => (request.text(before), request.text(after)), none);
    this.#scope.renamed();
  }

  /** Drops a collection with its entities and indexes. @throws CollectionNotFoundError. */
  async dropCollection(name: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "dropCollection");
    const given = text(name, "the name of a collection");
    await this.#ask(DROP, Lane.Write, options, (to) => to.text(given), none);
    this.#scope.renamed();
  }

  /**
   * Runs a function in a transaction: commits when its promise resolves, aborts when it rejects. Resolves to what the function gives.
   * Waits for another write transaction without blocking the loop; other calls of the loop go on meanwhile, and other writes wait
   * until this one has ended. A signal ends the wait before and the commit, not the function.
   *
   * ```ts
   * await db.transaction(async (tx) => {
   *   await tx.collection("accounts").update(from, patch().increment("balance", -10));
   *   await tx.collection("accounts").update(to, patch().increment("balance", 10));
   * });
   * ```
   *
   * @throws what the function throws; BusyError. Inside the function, a write that is not of the transaction throws `DEADLOCK` at once.
   */
  async transaction<R>(
    run: (transaction: AsyncTransaction) => R | PromiseLike<R>,
    options?: TransactionOptions & { durability?: Durability | undefined } & CallOptions,
  ): Promise<R> {
    if (typeof run !== "function") throw refused("transaction takes a function");
    synchronous("transaction", run);
    only(options, ["timeoutMs", "durability", "signal"], "transaction");
    const asked = durabilityOf(options?.durability);
    return within(await this.#begin(options), run, asked, signalOf(options));
  }

  /** Begins a transaction that you commit or abort yourself. Other writes wait until it ends. @throws BusyError. */
  async begin(options?: TransactionOptions & CallOptions): Promise<AsyncTransaction> {
    only(options, ["timeoutMs", "signal"], "begin");
    return (await this.#begin(options)).begun();
  }

  async #begin(options: (TransactionOptions & CallOptions) | undefined): Promise<AsyncTransaction> {
    const timeoutMs = options?.timeoutMs;
    const wait = timeoutMs === undefined ? undefined : milliseconds(timeoutMs, "the time to wait for another writer");
    if (wait === 0) {
      // Asks whether the lock is free, which the transaction it is in does not let be.
      const refusal = deadlock(this.#scope);
      if (refusal !== undefined) throw errorFrom(code.BUSY, "the write transaction in whose function this is has the lock");
    }
    return this.#ask(BEGIN_WRITE, Lane.Write, options, (to) => to.integer(wait), (reply) => {
      return new AsyncTransaction(numberOf(reply), this.#scope, this, reply.decoder.uint64(reply.start + 8));
    });
  }

  /**
   * A snapshot of the database as it is now; with `at` as it was after that commit, given by its sequence, where queries scan all
   * entities, because indexes hold the newest commit only. Close it, or use `await using`.
   *
   * @throws SnapshotExpiredError when retention removed what is needed.
   */
  async snapshot(options?: { at?: number | undefined } & CallOptions): Promise<AsyncSnapshot> {
    only(options, ["at", "signal"], "snapshot");
    const at = options?.at;
    const sequence = at === undefined ? undefined : whole(at, "the sequence to read at");
    return this.#ask(BEGIN_READ, Lane.Find, options, (to) => to.integer(sequence), (reply) => {
      const position = reply.decoder.bytes.toString("latin1", reply.start + 16, reply.end);
      return new AsyncSnapshot(numberOf(reply), "snapshot", this.#scope, this, reply.decoder.uint64(reply.start + 8), position);
    });
  }

  /**
   * A reader of the changes after a position, or of all changes that are kept. Positions come from a batch, a feed, `db.position` or the
   * `position` of a snapshot.
   *
   * With `before` each update and delete has the document before it, too.
   *
   * @throws GapError when changes after the position were removed, or this database has another history.
   */
  async changes(options?: { since?: string | undefined; exact?: boolean | undefined; before?: boolean | undefined } & CallOptions): Promise<AsyncChangeFeed> {
    only(options, ["since", "exact", "before", "signal"], "changes");
    const since = options?.since;
    if (since !== undefined && typeof since !== "string") {
      throw refused(`since is a position, such as batch.position or db.position, not ${kindOf(since)}`);
    }
    const exact = options?.exact === true;
    const before = options?.before === true;
    const write = (to: Requests): void => {
      to.text(since);
      to.flag(before);
    };
    return this.#ask(CHANGES, Lane.Find, options, write, (reply) => {
      return new AsyncChangeFeed(numberOf(reply), exact, this.#target, bytesBehindNumber(reply).toString("latin1"));
    });
  }

  /** An id that no other call makes, in the order of time: for a document that names itself, or that others name before it is stored. */
  newId(): Id {
    return call(() => raw.databaseNewId(this.#scope.live)) as Id;
  }

  /** Removes the changes up to and including a sequence from the feed. */
  async trimChanges(through: number, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "trimChanges");
    const sequence = whole(through, "the sequence to trim to");
    return this.#ask(TRIM, Lane.Write, options, (to) => to.integer(sequence), none);
  }

  /**
   * The position in the change feed after the newest commit, `await db.position`: `db.changes({ since })` from there reads later commits
   * only. To copy the data and then follow it, use the position of the snapshot that reads the copy.
   */
  get position(): Promise<string> {
    return this.#ask(POSITION, Lane.Find, undefined, undefined, textOf);
  }

  /** The sequence of the newest commit. */
  get lastSequence(): number {
    return raw.databaseLastSequence(this.#scope.live);
  }

  /** Resolves when a commit is on stable storage. @throws DeadlineExceededError. */
  async waitDurable(sequence: number, timeoutMs = 60_000, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "waitDurable");
    const [asked, wait] = [whole(sequence, "a sequence"), milliseconds(timeoutMs, "the time to wait")];
    const write = (to: Requests): void => {
      to.integer(asked);
      to.integer(wait);
    };
    return this.#ask(WAIT_DURABLE, Lane.Long, options, write, none);
  }

  /** Writes the data in the log to segments, so that the next open has nothing to replay. */
  async checkpoint(options?: CallOptions): Promise<CheckpointReport> {
    only(options, ["signal"], "checkpoint");
    return this.#ask(CHECKPOINT, Lane.Long, options, undefined, report<CheckpointReport>);
  }

  /** Merges all segments, and frees the space of old versions and deleted data. */
  async compact(options?: CallOptions): Promise<CompactReport> {
    only(options, ["signal"], "compact");
    return this.#ask(COMPACT, Lane.Long, options, undefined, report<CompactReport>);
  }

  /** Checks footers, counts and lists; with `full` every byte, and indexes against entities. */
  async verify(options?: { full?: boolean | undefined } & CallOptions): Promise<VerifyReport> {
    only(options, ["full", "signal"], "verify");
    const full = options?.full === true;
    return this.#ask(VERIFY, Lane.Long, options, (to) => to.flag(full), (reply) => verifyReportOf(bytesOf(reply)));
  }

  /** Copies the database, as of one commit, to a new folder, which is a database of its own. */
  async backup(path: string, options?: CallOptions): Promise<BackupReport> {
    only(options, ["signal"], "backup");
    const given = text(path, "the path of a backup");
    return this.#ask(BACKUP, Lane.Long, options, (to) => to.text(given), report<BackupReport>);
  }

  /** The slots of the keys and passwords that open the database, never the keys themselves. @throws NotEncryptedError. */
  async keys(options?: CallOptions): Promise<KeySlot[]> {
    only(options, ["signal"], "keys");
    return this.#ask(KEYS, Lane.Find, options, undefined, (reply) => {
      return (decodeValue(bytesOf(reply)) as unknown[]).map((slot) => camelKeys(slot) as unknown as KeySlot);
    });
  }

  /**
   * Replaces a key or password. No data is rewritten.
   *
   * @throws WrongKeyError when the old one does not open the database; UsageError when the new one is another key or password that
   * opens it already; NotEncryptedError.
   */
  async changeKey(from: Key, to: Key, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "changeKey");
    const [old, next] = [keyOf(from, "the old key"), keyOf(to, "the new key")];
    return this.#ask(CHANGE_KEY, Lane.Long, options, (request) => (key(request, old), key(request, next)), none);
  }

  /**
   * Adds a key or password; `existing` is one that opens the database already. A database has at most eight.
   *
   * @throws UsageError when `added` opens the database already; TooLargeError when there are eight.
   */
  async addKey(existing: Key, added: Key, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "addKey");
    const [known, next] = [keyOf(existing, "the existing key"), keyOf(added, "the new key")];
    return this.#ask(ADD_KEY, Lane.Long, options, (to) => (key(to, known), key(to, next)), none);
  }

  /** Removes a key or password. The last one cannot be removed. */
  async removeKey(given: Key, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "removeKey");
    const removed = keyOf(given, "the key");
    return this.#ask(REMOVE_KEY, Lane.Long, options, (to) => key(to, removed), none);
  }

  /** Encrypts every new file with a new data key. Keys and passwords that open the database stay valid. */
  async rotateKey(options?: CallOptions): Promise<void> {
    only(options, ["signal"], "rotateKey");
    return this.#ask(ROTATE_KEY, Lane.Long, options, undefined, none);
  }

  /**
   * Rewrites the whole database with a new data key and erases the old ones. False if an open cursor or a backup still reads old files:
   * then call it again later.
   */
  async rekey(options?: CallOptions): Promise<boolean> {
    only(options, ["signal"], "rekey");
    return this.#ask(REKEY, Lane.Long, options, undefined, flagOf);
  }

  /** Counters since opening, and current sizes. */
  async stats(options?: CallOptions): Promise<Stats> {
    only(options, ["signal"], "stats");
    return this.#ask(STATS, Lane.Find, options, undefined, report<Stats>);
  }

  /** The options in use. They say whether there is a key, never which. */
  config(): Config {
    return reportOf(call(() => raw.databaseConfig(this.#scope.live)));
  }

  /** The report of opening: whether the last close was clean, and how much of the log was replayed. */
  openReport(): OpenReport {
    return reportOf(call(() => raw.databaseOpenReport(this.#scope.live)));
  }

  /**
   * Closes the database, after the writes that were asked for before, and frees everything that came from it. A second call does nothing.
   * A transaction of `begin` that is still open is aborted, with a warning and no error; with `abort: false` closing fails instead.
   *
   * @throws InUseError inside the function of `transaction`, which has to end first, and as `abort: false` asks.
   */
  async close(options?: { abort?: boolean | undefined }): Promise<void> {
    only(options, ["abort"], "close");
    if (this.#scope.isOver) return;
    const inside = context.getStore() as Scope | undefined;
    const { begun } = this.#scope;
    const isInside = inside !== undefined && !inside.isOver && inside.database === this.#scope;
    if (isInside || (begun !== undefined && !begun.isOver && options?.abort === false)) {
      throw errorFrom(code.IN_USE, "a write transaction is open; commit or abort it before closing", this.path === undefined ? {} : { path: this.path });
    }
    if (begun !== undefined && !begun.isOver) {
      this.#scope.begun = undefined;
      begun.isOver = true;
      warnAbandoned("the database was closed while a transaction was open, which ends");
      await request(ABORT, Lane.Transaction, begun.handle, undefined, this, undefined, undefined, none).catch(() => undefined);
      raw.release(begun.handle);
    }
    await this.#ask(CLOSE, Lane.Write, undefined, undefined, none).finally(() => this.#closed());
  }

  /** Frees everything when it is closed. */
  #closed(): void {
    const { handle } = this.#scope;
    if (this.#scope.isOver || !raw.databaseIsClosed(handle)) return;
    this.#scope.isOver = true;
    abandoned.unregister(this);
    raw.release(handle);
  }

  /** Whether it was closed. */
  get isClosed(): boolean {
    return this.#scope.isOver;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const abandoned = new FinalizationRegistry<{ handle: Handle; path: string | undefined }>(({ handle, path }) => {
  warn(`the database ${path ?? "in memory"} was dropped while it was open; call close(), or use \`await using\``, "ENTIDB_NOT_CLOSED");
  try {
    raw.databaseClose(handle);
  } catch {
    // Nobody is left to tell; the files are as a crash would leave them, which opening recovers.
  }
  raw.release(handle);
});

/** The signal beside the options of a database, and these as the library takes them. */
function split(options: (Options & CallOptions) | undefined): [given: Uint8Array, options: CallOptions | undefined] {
  if (options === null || typeof options !== "object" || !("signal" in options)) return [encodeValue(optionsOf(options)), undefined];
  const { signal, ...others } = options;
  return [encodeValue(optionsOf(others)), { signal }];
}

/** Asks for something that is of no database yet. */
function asked<T>(operation: Operation, options: CallOptions | undefined, write: (to: Requests) => void, read: (reply: Reply) => T): Promise<T> {
  return request(operation, Lane.Long, 0, undefined, undefined, signalOf(options), write, read);
}

/**
 * Opens the database in a folder, and creates it when there is none. Its methods return promises, and the loop goes on meanwhile.
 *
 * ```ts
 * await using db = await openAsync("notes.entidb");
 * ```
 *
 * @throws DatabaseLockedError when another process has it; CorruptError, WrongKeyError, UnknownOptionError.
 */
export async function openAsync(path: string, options?: Options & CallOptions): Promise<AsyncDatabase> {
  const folder = text(path, "the path of a database");
  const [given, others] = split(options);
  return asked(OPEN, others, (to) => (to.text(folder), to.bytes(given)), (reply) => new AsyncDatabase(folder, numberOf(reply)));
}

/** Opens a database in memory. It behaves like one on disk. */
export async function openMemoryAsync(options?: Options & CallOptions): Promise<AsyncDatabase> {
  const [given, others] = split(options);
  return asked(OPEN, others, (to) => (to.nothing(), to.bytes(given)), (reply) => new AsyncDatabase(undefined, numberOf(reply)));
}

/**
 * Checks every byte and every index of a backup, or of any database that is not open. Of the options it uses the key or password.
 *
 * @throws DatabaseNotFoundError, WrongKeyError; CorruptError where it does not open at all.
 */
export async function validateBackupAsync(path: string, options?: Options & CallOptions): Promise<VerifyReport> {
  const backup = text(path, "the path of a backup");
  const [given, others] = split(options);
  return asked(VALIDATE_BACKUP, others, (to) => (to.text(backup), to.bytes(given)), (reply) => verifyReportOf(bytesOf(reply)));
}

/**
 * Restores a backup into a new or empty folder, after checking it. Of the options it uses the key or password.
 *
 * @throws CorruptError when the check finds a problem; TargetNotEmptyError.
 */
export async function restoreAsync(backup: string, path: string, options?: Options & CallOptions): Promise<BackupReport> {
  const [from, to] = [text(backup, "the path of a backup"), text(path, "the path of a database")];
  const [given, others] = split(options);
  return asked(RESTORE, others, (request) => (request.text(from), request.text(to), request.bytes(given)), report<BackupReport>);
}

/** Restores a backup into memory, after checking it, and opens it. @throws CorruptError when the check finds a problem. */
export async function restoreMemoryAsync(backup: string, options?: Options & CallOptions): Promise<AsyncDatabase> {
  const from = text(backup, "the path of a backup");
  const [given, others] = split(options);
  return asked(RESTORE_MEMORY, others, (to) => (to.text(from), to.bytes(given)), (reply) => new AsyncDatabase(undefined, numberOf(reply)));
}
