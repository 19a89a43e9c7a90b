/**
 * Databases.
 *
 * Always: one that is dropped while open is closed, with a warning. Does not know: files.
 */

import { kindOf, milliseconds, only, refused, synchronous, text, whole } from "./argument";
import { ChangeFeed } from "./changes";
import { notCloneable } from "./clone";
import { Collection, type CollectionOptions } from "./collection";
import { decodeValue } from "./decode";
import { encodeValue } from "./encode";
import type { Document } from "./entity";
import { warn } from "./host";
import type {
  BackupReport, CheckpointReport, CompactReport, Config, Durability, KeySlot, OpenReport, Options, Stats, VerifyReport,
} from "./interface.g";
import type { Id } from "./id";
import { type Key, keyOf } from "./keys";
import { camelKeys, optionsOf } from "./options";
import { type Handle, call, raw } from "./raw";
import { Scope } from "./scope";
import type { Storable } from "./shape";
import { Snapshot, Transaction, durabilityOf, warnAbandoned, within } from "./transaction";
import { EntityId } from "./values";

/** Options of a transaction. */
export interface TransactionOptions {
  /** Time to wait while another write transaction is open, instead of `lockTimeoutMs` of the database. */
  timeoutMs?: number | undefined;
}

const NOT_CLONEABLE = notCloneable("Database", "open it in the thread that uses it");

/** An open database. */
export class Database {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The folder; undefined for one in memory. */
  readonly path: string | undefined;
  readonly #scope: Scope;

  /** @internal */
  constructor(path: string | undefined, options: unknown, backup?: string) {
    const given = encodeValue(optionsOf(options));
    this.path = path;
    const handle = call(() => (backup === undefined ? raw.openNative(path, given) : raw.restoreMemory(backup, given)));
    this.#scope = new Scope(handle, "database", undefined, path);
    abandoned.register(this, { handle, path }, this);
  }

  /** The collection with this name. It is created with its first entity. */
  collection<T extends Storable<T> = Document>(name: string, options?: CollectionOptions): Collection<T> {
    return new Collection<T>(name, this.#scope, this, options);
  }

  /** The names of the collections, sorted. */
  collections(): string[] {
    return decodeValue(call(() => raw.databaseCollections(this.#scope.live))) as string[];
  }

  /** Creates an empty collection. @throws CollectionExistsError. */
  createCollection(name: string): void {
    call(() => raw.databaseCreateCollection(this.#scope.live, text(name, "the name of a collection")));
  }

  /** Renames a collection. @throws CollectionNotFoundError, CollectionExistsError. */
  renameCollection(from: string, to: string): void {
    call(() => raw.databaseRenameCollection(this.#scope.live, text(from, "the name of a collection"), text(to, "the new name of a collection")));
    this.#scope.renamed();
  }

  /** Drops a collection with its entities and indexes. @throws CollectionNotFoundError. */
  dropCollection(name: string): void {
    call(() => raw.databaseDropCollection(this.#scope.live, text(name, "the name of a collection")));
    this.#scope.renamed();
  }

  /**
   * Runs a function in a transaction: commits when it returns, aborts when it throws. Returns the result of the function.
   *
   * ```ts
   * db.transaction((tx) => {
   *   tx.collection("accounts").update(from, patch().increment("balance", -10));
   *   tx.collection("accounts").update(to, patch().increment("balance", 10));
   * });
   * ```
   *
   * @throws what the function throws; UsageError when it returns a promise or is a generator, since a transaction is synchronous;
   * BusyError.
   */
  transaction<R>(run: (transaction: Transaction) => R, options?: TransactionOptions & { durability?: Durability | undefined }): R {
    if (typeof run !== "function") throw refused("transaction takes a function");
    // It would give its iterator, and nothing of it would have run.
    synchronous("transaction", run);
    only(options, ["timeoutMs", "durability"], "transaction");
    const asked = durabilityOf(options?.durability);
    return within(this.#begin(options?.timeoutMs), run, asked);
  }

  /** Begins a transaction that you commit or abort yourself. Other writes wait until it ends. @throws BusyError. */
  begin(options?: TransactionOptions): Transaction {
    only(options, ["timeoutMs"], "begin");
    return this.#begin(options?.timeoutMs).watched();
  }

  #begin(timeoutMs: number | undefined): Transaction {
    const wait = timeoutMs === undefined ? -1 : milliseconds(timeoutMs, "the time to wait for another writer");
    return new Transaction(call(() => raw.databaseBeginWrite(this.#scope.live, wait)), "transaction", this.#scope, this);
  }

  /**
   * A snapshot of the database as it is now; with `at` as it was after that commit, given by its sequence, where queries scan all
   * entities, because indexes hold the newest commit only. Close it, or use `using`.
   *
   * @throws SnapshotExpiredError when retention removed what is needed.
   */
  snapshot(options?: { at?: number | undefined }): Snapshot {
    only(options, ["at"], "snapshot");
    const at = options?.at;
    const sequence = at === undefined ? undefined : whole(at, "the sequence to read at");
    const begin = () =>
      sequence === undefined
        ? raw.databaseBeginRead(this.#scope.live)
        : raw.databaseBeginReadAt(this.#scope.live, sequence);
    return new Snapshot(call(begin), "snapshot", this.#scope, this).watched();
  }

  /**
   * A reader of the changes after a position, or of all changes that are kept. Positions come from a batch, a feed, `db.position` or the
   * `position` of a snapshot.
   *
   * With `before` each update and delete has the document before it, too.
   *
   * @throws GapError when changes after the position were removed, or this database has another history.
   */
  changes(options?: { since?: string | undefined; exact?: boolean | undefined; before?: boolean | undefined }): ChangeFeed {
    only(options, ["since", "exact", "before"], "changes");
    const since = options?.since;
    if (since !== undefined && typeof since !== "string") {
      throw refused(`since is a position, such as batch.position or db.position, not ${kindOf(since)}`);
    }
    const handle = call(() => raw.databaseChanges(this.#scope.live, since));
    if (options?.before === true) call(() => raw.feedWithBefore(handle));
    return new ChangeFeed(handle, options?.exact === true, this.#scope, this);
  }

  /** An id that no other call makes, in the order of time: for a document that names itself, or that others name before it is stored. */
  newId(): Id {
    return call(() => raw.databaseNewId(this.#scope.live)) as Id;
  }

  /** Removes the changes up to and including a sequence from the feed. */
  trimChanges(through: number): void {
    call(() => raw.databaseTrimChanges(this.#scope.live, whole(through, "the sequence to trim to")));
  }

  /**
   * The position in the change feed after the newest commit: `db.changes({ since: db.position })` reads later commits only. To copy the
   * data and then follow it, use the position of the snapshot that reads the copy.
   */
  get position(): string {
    return call(() => raw.databasePosition(this.#scope.live));
  }

  /** The sequence of the newest commit. */
  get lastSequence(): number {
    return raw.databaseLastSequence(this.#scope.live);
  }

  /** Waits until a commit is on stable storage. @throws DeadlineExceededError. */
  waitDurable(sequence: number, timeoutMs = 60_000): void {
    const [asked, wait] = [whole(sequence, "a sequence"), milliseconds(timeoutMs, "the time to wait")];
    call(() => raw.databaseWaitDurable(this.#scope.live, asked, wait));
  }

  /** Writes the data in the log to segments, so that the next open has nothing to replay. */
  checkpoint(): CheckpointReport {
    return reportOf(call(() => raw.databaseCheckpoint(this.#scope.live)));
  }

  /** Merges all segments, and frees the space of old versions and deleted data. */
  compact(): CompactReport {
    return reportOf(call(() => raw.databaseCompact(this.#scope.live)));
  }

  /** Checks footers, counts and lists; with `full` every byte, and indexes against entities. */
  verify(options?: { full?: boolean | undefined }): VerifyReport {
    only(options, ["full"], "verify");
    return verifyReportOf(call(() => raw.databaseVerify(this.#scope.live, options?.full === true)));
  }

  /** Copies the database, as of one commit, to a new folder, which is a database of its own. */
  backup(path: string): BackupReport {
    return reportOf(call(() => raw.databaseBackup(this.#scope.live, text(path, "the path of a backup"))));
  }

  /** The slots of the keys and passwords that open the database, never the keys themselves. @throws NotEncryptedError. */
  keys(): KeySlot[] {
    const slots = decodeValue(call(() => raw.databaseKeys(this.#scope.live))) as unknown[];
    return slots.map((slot) => camelKeys(slot) as unknown as KeySlot);
  }

  /**
   * Replaces a key or password. No data is rewritten.
   *
   * @throws WrongKeyError when the old one does not open the database; UsageError when the new one is another key or password that
   * opens it already; NotEncryptedError.
   */
  changeKey(from: Key, to: Key): void {
    const [old, next] = [keyOf(from, "the old key"), keyOf(to, "the new key")];
    call(() => raw.databaseChangeKey(this.#scope.live, ...old, ...next));
  }

  /**
   * Adds a key or password; `existing` is one that opens the database already. A database has at most eight.
   *
   * @throws UsageError when `added` opens the database already; TooLargeError when there are eight.
   */
  addKey(existing: Key, added: Key): void {
    const [known, next] = [keyOf(existing, "the existing key"), keyOf(added, "the new key")];
    call(() => raw.databaseAddKey(this.#scope.live, ...known, ...next));
  }

  /** Removes a key or password. The last one cannot be removed. */
  removeKey(key: Key): void {
    const given = keyOf(key, "the key");
    call(() => raw.databaseRemoveKey(this.#scope.live, ...given));
  }

  /** Encrypts every new file with a new data key. Keys and passwords that open the database stay valid. */
  rotateKey(): void {
    call(() => raw.databaseRotateKey(this.#scope.live));
  }

  /**
   * Rewrites the whole database with a new data key and erases the old ones. False if an open cursor or a backup still reads old files:
   * then call it again later.
   */
  rekey(): boolean {
    return call(() => raw.databaseRekey(this.#scope.live));
  }

  /** Counters since opening, and current sizes. */
  stats(): Stats {
    return reportOf(call(() => raw.databaseStats(this.#scope.live)));
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
   * Closes the database and frees everything that came from it. A second call does nothing. A transaction of `begin` that is still open
   * is aborted, with a warning and no error, so that `close` in a `finally` does not hide the original error; with `abort: false` closing
   * fails instead.
   *
   * @throws InUseError inside the function of `transaction`, which has to end first, and as `abort: false` asks.
   */
  close(options?: { abort?: boolean | undefined }): void {
    only(options, ["abort"], "close");
    if (this.#scope.isOver) return;
    const { begun } = this.#scope;
    if (begun !== undefined && !begun.isOver && options?.abort !== false) {
      this.#scope.begun = undefined;
      if (raw.transactionIsOpen(begun.handle)) warnAbandoned("the database was closed while a transaction was open, which ends");
      raw.release(begun.handle);
    }
    try {
      call(() => raw.databaseClose(this.#scope.handle));
    } finally {
      if (raw.databaseIsClosed(this.#scope.handle)) {
        this.#scope.isOver = true;
        abandoned.unregister(this);
      }
    }
  }

  /** Whether it was closed. */
  get isClosed(): boolean {
    return this.#scope.isOver;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** @internal A report of the library, by the names of JavaScript. */
export function reportOf<R>(bytes: Uint8Array): R {
  return camelKeys(decodeValue(bytes)) as unknown as R;
}

/** @internal As `reportOf`, with ids as texts. */
export function verifyReportOf(bytes: Uint8Array): VerifyReport {
  const report = reportOf<VerifyReport>(bytes);
  for (const problem of report.problems) {
    if ((problem.id as unknown) instanceof EntityId) problem.id = String(problem.id);
  }
  return report;
}

const abandoned = new FinalizationRegistry<{ handle: Handle; path: string | undefined }>(({ handle, path }) => {
  warn(`the database ${path ?? "in memory"} was dropped while it was open; call close(), or use \`using\``, "ENTIDB_NOT_CLOSED");
  try {
    raw.databaseClose(handle);
  } catch {
    // Nobody is left to tell; the files are as a crash would leave them, which opening recovers.
  }
  raw.release(handle);
});

/**
 * Opens the database in a folder, and creates it when there is none.
 *
 * ```ts
 * using db = open("notes.entidb");
 * ```
 *
 * @throws DatabaseLockedError when another process has it; CorruptError, WrongKeyError, UnknownOptionError.
 */
export function open(path: string, options?: Options): Database {
  return new Database(text(path, "the path of a database"), options);
}

/** Opens a database in memory. It behaves like one on disk. */
export function openMemory(options?: Options): Database {
  return new Database(undefined, options);
}

/**
 * Checks every byte and every index of a backup, or of any database that is not open. Of the options it uses the key or password.
 *
 * @throws DatabaseNotFoundError, WrongKeyError; CorruptError where it does not open at all.
 */
export function validateBackup(path: string, options?: Options): VerifyReport {
  const [backup, given] = [text(path, "the path of a backup"), encodeValue(optionsOf(options))];
  return verifyReportOf(call(() => raw.validateBackup(backup, given)));
}

/**
 * Restores a backup into a new or empty folder, after checking it. Of the options it uses the key or password.
 *
 * @throws CorruptError when the check finds a problem; TargetNotEmptyError.
 */
export function restore(backup: string, path: string, options?: Options): BackupReport {
  const [from, to] = [text(backup, "the path of a backup"), text(path, "the path of a database")];
  const given = encodeValue(optionsOf(options));
  return reportOf(call(() => raw.restore(from, to, given)));
}

/** Restores a backup into memory, after checking it, and opens it. @throws CorruptError when the check finds a problem. */
export function restoreMemory(backup: string, options?: Options): Database {
  return new Database(undefined, options, text(backup, "the path of a backup"));
}
