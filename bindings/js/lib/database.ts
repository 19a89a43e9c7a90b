/**
 * Databases.
 *
 * Always: one that is dropped while open is closed, with a warning. Does not know: files.
 */

import { kindOf, milliseconds, only, refused, synchronous, text, whole } from "./argument";
import { ChangeFeed } from "./changes";
import { Collection, type CollectionOptions } from "./collection";
import { decodeValue } from "./decode";
import { encodeValue } from "./encode";
import type { Document } from "./entity";
import { warn } from "./host";
import { type Key, keyOf } from "./keys";
import { type Options, camelKeys, optionsOf } from "./options";
import { type Handle, call, raw } from "./raw";
import { Scope } from "./scope";
import type { Storable } from "./shape";
import { type Durability, Snapshot, Transaction, durabilityOf, warnAbandoned, within } from "./transaction";
import { EntityId } from "./values";

/** What a verification found. */
export interface VerifyReport {
  /** Whether nothing is wrong. */
  ok: boolean;
  /** What is wrong, and where. */
  problems: { what: string; file?: string; offset?: number; collection?: string; index?: string; id?: string }[];
  segments: number;
  units: number;
  entities: number;
  indexRows: number;
  /** Names in the folder that cannot be files of the database; they harm nothing. Of very many, some. */
  ignored: string[];
  /** How many such names there are. */
  ignoredCount: number;
  [name: string]: unknown;
}

/** How a transaction begins and commits. */
export interface TransactionOptions {
  /** How long to wait for another writer, instead of `lockTimeoutMs` of the database. */
  timeoutMs?: number;
}

/** An open database. */
export class Database {
  /** The folder; undefined for one in memory. */
  readonly path: string | undefined;
  readonly #scope: Scope;

  /** @internal */
  constructor(path: string | undefined, options: unknown) {
    const given = encodeValue(optionsOf(options));
    this.path = path;
    const handle = call(() => raw.openNative(path, given));
    this.#scope = new Scope(handle, "database", undefined, path);
    abandoned.register(this, { handle, path }, this);
  }

  /** The collection of a name. Nothing is created until it is written to. */
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

  /** Gives a collection another name. @throws CollectionNotFoundError, CollectionExistsError. */
  renameCollection(from: string, to: string): void {
    call(() => raw.databaseRenameCollection(this.#scope.live, text(from, "the name of a collection"), text(to, "the new name of a collection")));
    this.#scope.renamed();
  }

  /** Removes a collection with everything in it. @throws CollectionNotFoundError. */
  dropCollection(name: string): void {
    call(() => raw.databaseDropCollection(this.#scope.live, text(name, "the name of a collection")));
    this.#scope.renamed();
  }

  /**
   * Runs a function in a transaction: commits when it returns, aborts when it throws, and gives what it gave.
   *
   * ```ts
   * db.transaction((tx) => {
   *   tx.collection("accounts").update(from, patch().increment("balance", -10));
   *   tx.collection("accounts").update(to, patch().increment("balance", 10));
   * });
   * ```
   *
   * @throws what the function throws; UsageError when it gives a promise or is a generator, since a transaction is synchronous; BusyError.
   */
  transaction<R>(run: (transaction: Transaction) => R, options?: TransactionOptions & { durability?: Durability }): R {
    if (typeof run !== "function") throw refused("transaction takes a function");
    // It would give its iterator, and nothing of it would have run.
    synchronous("transaction", run);
    only(options, ["timeoutMs", "durability"], "transaction");
    const asked = durabilityOf(options?.durability);
    return within(this.#begin(options?.timeoutMs), run, asked);
  }

  /** Begins a transaction that you commit or abort yourself. Another write waits for it. @throws BusyError. */
  begin(options?: TransactionOptions): Transaction {
    only(options, ["timeoutMs"], "begin");
    return this.#begin(options?.timeoutMs).watched();
  }

  #begin(timeoutMs: number | undefined): Transaction {
    const wait = timeoutMs === undefined ? -1 : milliseconds(timeoutMs, "the time to wait for another writer");
    return new Transaction(call(() => raw.databaseBeginWrite(this.#scope.live, wait)), "transaction", this.#scope, this);
  }

  /** The database as it is now, to read from whatever is written meanwhile. Close it, or use `using`. */
  snapshot(): Snapshot {
    return new Snapshot(call(() => raw.databaseBeginRead(this.#scope.live)), "snapshot", this.#scope, this).watched();
  }

  /**
   * Reads the change feed after a position; from the oldest change that is kept when there is none. A position comes from a batch, a
   * feed, `db.position` or a snapshot's `position`, and is good for the history it is of.
   *
   * @throws GapError when changes after the position were removed, or this database has another history.
   */
  changes(options?: { since?: string; exact?: boolean }): ChangeFeed {
    only(options, ["since", "exact"], "changes");
    const since = options?.since;
    if (since !== undefined && typeof since !== "string") {
      throw refused(`since is a position, the text that batch.position or db.position gave, not ${kindOf(since)}`);
    }
    return new ChangeFeed(call(() => raw.databaseChanges(this.#scope.live, since)), options?.exact === true, this.#scope, this);
  }

  /** Removes changes up to a sequence from the feed. */
  trimChanges(through: number): void {
    call(() => raw.databaseTrimChanges(this.#scope.live, whole(through, "the sequence to trim to")));
  }

  /**
   * The position in the change feed after the newest commit: `db.changes({ since: db.position })` gives what comes from now on. To copy the
   * data and follow it, take the position of the snapshot that was copied.
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

  /** Puts the newest writes into segments, so that the next open has nothing to replay. */
  checkpoint(): void {
    call(() => raw.databaseCheckpoint(this.#scope.live));
  }

  /** Merges the segments, and gives back the space of what was deleted. */
  compact(): void {
    call(() => raw.databaseCompact(this.#scope.live));
  }

  /** Checks footers, counts and lists; with `full` every byte, and indexes against entities. */
  verify(options?: { full?: boolean }): VerifyReport {
    only(options, ["full"], "verify");
    const report = camelKeys(decodeValue(call(() => raw.databaseVerify(this.#scope.live, options?.full === true)))) as VerifyReport;
    for (const problem of report.problems) {
      if ((problem.id as unknown) instanceof EntityId) problem.id = String(problem.id);
    }
    return report;
  }

  /** Copies the database, as it is now, into a new folder. */
  backup(path: string): void {
    call(() => raw.databaseBackup(this.#scope.live, text(path, "the path of a backup")));
  }

  /**
   * Replaces one key or password by another. No data is rewritten, however large the database is.
   *
   * @throws WrongKeyError when the old one opens nothing; NotEncryptedError.
   */
  changeKey(from: Key, to: Key): void {
    const [old, next] = [keyOf(from, "the old key"), keyOf(to, "the new key")];
    call(() => raw.databaseChangeKey(this.#scope.live, ...old, ...next));
  }

  /** Adds a key or password beside those there are, at most eight in all; `existing` is one of them. */
  addKey(existing: Key, added: Key): void {
    const [known, next] = [keyOf(existing, "the existing key"), keyOf(added, "the new key")];
    call(() => raw.databaseAddKey(this.#scope.live, ...known, ...next));
  }

  /** Takes a key or password away; the last one stays. */
  removeKey(key: Key): void {
    const given = keyOf(key, "the key");
    call(() => raw.databaseRemoveKey(this.#scope.live, ...given));
  }

  /** Makes a new data key for every file made from here on. Keys and passwords that open the database stay. */
  rotateKey(): void {
    call(() => raw.databaseRotateKey(this.#scope.live));
  }

  /**
   * Makes a new data key, rewrites the whole database under it and erases the older ones. False when an open cursor still reads old
   * files: then call it again once that is gone.
   */
  rekey(): boolean {
    return call(() => raw.databaseRekey(this.#scope.live));
  }

  /** Counters since it was opened, and sizes of this moment. */
  stats(): Record<string, number> {
    return camelKeys(decodeValue(call(() => raw.databaseStats(this.#scope.live)))) as Record<string, number>;
  }

  /** The options in force. Says whether there is a key, never which. */
  config(): Options & { encrypted: boolean } {
    return camelKeys(decodeValue(call(() => raw.databaseConfig(this.#scope.live)))) as unknown as Options & { encrypted: boolean };
  }

  /** What opening found: whether the last close was clean, and what was replayed. */
  openReport(): Record<string, unknown> {
    return camelKeys(decodeValue(call(() => raw.databaseOpenReport(this.#scope.live))));
  }

  /**
   * Closes it for everything that came from it, and frees all of that. A second time does nothing. A transaction of `begin` that is
   * still open is aborted, with a warning and without an error, so that `close` in a `finally` does not hide the error that led there;
   * with `abort: false` closing is refused instead.
   *
   * @throws InUseError inside the function of `transaction`, which has to end first, and as `abort: false` asks.
   */
  close(options?: { abort?: boolean }): void {
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

/** Opens a database in memory: the same in everything, with nothing on disk. */
export function openMemory(options?: Options): Database {
  return new Database(undefined, options);
}
