/**
 * Transactions and snapshots.
 *
 * Always: nothing of a transaction is seen before its commit; one that is dropped unfinished aborts, with a warning.
 * Does not know: what is changed.
 */
import { isPromised, kindOf, refused, text, whole } from "./argument";
import { notCloneable } from "./clone";
import { Collection, type CollectionOptions } from "./collection";
import { decodeValue } from "./decode";
import type { Document } from "./entity";
import { EntidbError } from "./errors.g";
import { warn } from "./host";
import { DURABILITY_WORDS, type Durability } from "./interface.g";
import { type Handle, call, goOn, raw, thrown } from "./raw";
import { Scope } from "./scope";
import type { Storable } from "./shape";

/** @internal The number of a durability. */
export function durabilityOf(durability: Durability | undefined): number {
  const number = DURABILITY_WORDS.indexOf(durability);
  if (number >= 0) return number;
  const given = typeof durability === "string" ? JSON.stringify(durability) : kindOf(durability);
  throw refused(`durability is "durable", "grouped" or "none", not ${given}`);
}

const NOT_CLONEABLE = notCloneable("snapshot or transaction", "begin it in the thread that uses it");

/** A snapshot: the state of the database after one commit. */
export class Snapshot {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** @internal */
  protected readonly scope: Scope;
  readonly #owner: object;
  #isWatched = false;

  /** @internal */
  constructor(handle: Handle, noun: string, database: Scope, owner: object) {
    this.scope = new Scope(handle, noun, database);
    this.#owner = owner;
  }

  /** @internal Frees it also when its holder forgets to; costs more than all of an empty transaction. */
  watched(): this {
    this.#isWatched = true;
    abandoned.register(this, { handle: this.scope.handle, noun: this.scope.noun }, this);
    return this;
  }

  /** A collection as the snapshot or transaction sees it. */
  collection<T extends Storable<T> = Document>(name: string, options?: CollectionOptions): Collection<T> {
    return new Collection<T>(name, this.scope, this, options);
  }

  /** The names of the collections, sorted. */
  collections(): string[] {
    return decodeValue(call(() => raw.transactionCollections(this.scope.live))) as string[];
  }

  /** The sequence of the commit that it sees. */
  get sequence(): number {
    return call(() => raw.transactionSequence(this.scope.live));
  }

  /**
   * The position in the change feed after the commit that a snapshot sees. A program that copies its data and reads the changes from
   * there misses none and gets none twice.
   */
  get position(): string {
    return call(() => raw.transactionPosition(this.scope.live));
  }

  /** Whether it can still be used. */
  get isOpen(): boolean {
    return !this.scope.isOver && !this.scope.database.isOver && raw.transactionIsOpen(this.scope.handle);
  }

  /** Ends it. A second call does nothing. Cursors of a snapshot stay valid. */
  close(): void {
    if (this.scope.isOver) return;
    this.ended();
    if (!this.scope.database.isOver) raw.release(this.scope.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  protected ended(): void {
    this.scope.isOver = true;
    if (this.#isWatched) abandoned.unregister(this);
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}

/** Changes that become visible together, or not at all. */
export class Transaction extends Snapshot {
  /** Whether a name means another collection in here than outside. */
  #renames = false;
  /** Whether its commit failed, which ended it. */
  #isFailed = false;

  #renamed(): void {
    this.#renames = true;
    this.scope.renamed();
  }

  /** @internal Lets `close` of the database end it. */
  override watched(): this {
    this.scope.database.begun = this.scope;
    return super.watched();
  }

  /** @internal */
  protected override ended(): void {
    super.ended();
    if (this.scope.database.begun === this.scope) this.scope.database.begun = undefined;
    if (this.#renames) this.scope.renamed();
  }

  /**
   * Commits, with the given durability. Returns the sequence of the commit.
   *
   * @throws ConflictError, UniqueViolationError, NoSpaceError; nothing of the transaction is visible then.
   */
  commit(durability?: Durability): number {
    return this.commitAs(durabilityOf(durability));
  }

  /** @internal Whether a call of the program committed or aborted it. */
  get isEndedByCall(): boolean {
    return this.scope.isOver && !this.#isFailed;
  }

  /** @internal */
  commitAs(durability: number): number {
    const handle = this.scope.live;
    try {
      const sequence = raw.transactionCommit(handle, durability);
      goOn();
      this.scope.end = "was committed";
      this.ended();
      return sequence;
    } catch (error) {
      const why = thrown(error);
      if (!raw.transactionIsOpen(handle)) {
        if (why instanceof EntidbError) this.scope.end = why;
        this.#isFailed = true;
        this.ended();
      }
      throw why;
    }
  }

  /** Aborts: the changes are lost. */
  abort(): void {
    const handle = this.scope.live;
    this.scope.end = "was aborted";
    this.ended();
    call(() => raw.transactionAbort(handle));
  }

  /**
   * Sets a savepoint for `rollbackTo`. While it exists, each changed key counts twice against `transactionBytesMax`. @throws
   * TooLargeError.
   */
  savepoint(): number {
    return call(() => raw.transactionSavepoint(this.scope.live));
  }

  /** Undoes all changes since a savepoint. @throws TransactionError (`SAVEPOINT_NOT_FOUND`). */
  rollbackTo(savepoint: number): void {
    call(() => raw.transactionRollbackTo(this.scope.live, whole(savepoint, "a savepoint")));
    if (this.#renames) this.scope.renamed();
  }

  /** Creates an empty collection. @throws CollectionExistsError. */
  createCollection(name: string): void {
    call(() => raw.transactionCreateCollection(this.scope.live, text(name, "the name of a collection")));
  }

  /** Renames a collection. @throws CollectionNotFoundError, CollectionExistsError. */
  renameCollection(from: string, to: string): void {
    call(() => raw.transactionRenameCollection(this.scope.live, text(from, "the name of a collection"), text(to, "the new name of a collection")));
    this.#renamed();
  }

  /** Drops a collection with its entities and indexes. @throws CollectionNotFoundError. */
  dropCollection(name: string): void {
    call(() => raw.transactionDropCollection(this.scope.live, text(name, "the name of a collection")));
    this.#renamed();
  }
}

/** @internal Says that a transaction ends although nobody committed or aborted it. */
export function warnAbandoned(what: string): void {
  warn(`${what} without commit or abort; its changes are lost`, "ENTIDB_TRANSACTION_ABANDONED");
}

const abandoned = new FinalizationRegistry<{ handle: Handle; noun: string }>(({ handle, noun }) => {
  if (noun === "transaction" && raw.transactionIsOpen(handle)) warnAbandoned("a transaction was dropped");
  raw.release(handle);
});

/** @internal Runs a function in a transaction. */
export function within<R>(transaction: Transaction, run: (transaction: Transaction) => R, durability: number): R {
  let result: R;
  try {
    result = run(transaction);
    if (isPromised(result)) {
      throw refused(
        `the function of a transaction returned a promise (${kindOf(result)}), and nothing was committed; a transaction is synchronous, so await before it, or use begin() and commit()`,
      );
    }
  } catch (error) {
    transaction.close();
    throw error;
  }
  if (!transaction.isEndedByCall) transaction.commitAs(durability);
  return result;
}
