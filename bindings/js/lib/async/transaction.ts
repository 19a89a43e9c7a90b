/**
 * Transactions and snapshots, with promises.
 *
 * Always: nothing of a transaction is seen before its commit; one that is dropped unfinished aborts, with a warning. Calls of a
 * transaction are made one after the other, in the order in which the program made them, and its commit is the last. Other
 * calls of the same loop go on meanwhile. Does not know: what is changed.
 */
import { isPromised, only, refused, text, whole } from "../argument";
import { notCloneable } from "../clone";
import { code } from "../codes.g";
import type { CollectionOptions } from "../collection";
import { decodeValue } from "../decode";
import type { Document } from "../entity";
import { EntidbError, errorFrom } from "../errors.g";
import { context } from "../host";
import type { Durability } from "../interface.g";
import { type Handle, call, raw } from "../raw";
import { Scope } from "../scope";
import type { Storable } from "../shape";
import { durabilityOf, warnAbandoned } from "../transaction";
import { AsyncCollection } from "./collection";
import { type CallOptions, Lane, Operation, type Signal, bytesOf, none, numberOf } from "./requests";
import { signalOf } from "./signal";
import { Target } from "./target";

const COLLECTIONS = new Operation("transactionCollections");
const CREATE = new Operation("transactionCreateCollection");
const RENAME = new Operation("transactionRenameCollection");
const DROP = new Operation("transactionDropCollection");
const SAVEPOINT = new Operation("transactionSavepoint");
const ROLLBACK = new Operation("transactionRollbackTo");
const COMMIT = new Operation("transactionCommit");
const ABORT = new Operation("transactionAbort");

const NOT_CLONEABLE = notCloneable("snapshot or transaction", "begin it in the thread that uses it");

/** A snapshot: the state of the database after one commit. */
export class AsyncSnapshot {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** @internal */
  protected readonly scope: Scope;
  /** @internal */
  protected readonly target: Target;
  /** The sequence of the commit that it sees; of a transaction, that which its commit will have. */
  readonly sequence: number;
  readonly #position: string;

  /** @internal */
  constructor(handle: Handle, noun: string, database: Scope, owner: object, sequence: number, position: string) {
    this.scope = new Scope(handle, noun, database);
    this.target = new Target(this.scope, [owner, this], noun === "transaction");
    this.sequence = sequence;
    this.#position = position;
    abandoned.register(this, { handle, noun }, this);
  }

  /** A collection as the snapshot or transaction sees it. */
  collection<T extends Storable<T> = Document>(name: string, options?: CollectionOptions): AsyncCollection<T> {
    return new AsyncCollection<T>(name, this.target, options);
  }

  /** The names of the collections, sorted. */
  async collections(options?: CallOptions): Promise<string[]> {
    only(options, ["signal"], "collections");
    const signal = signalOf(options);
    // A snapshot has them in memory, and may be asked by several calls at once.
    if (!this.target.isTransaction) return decodeValue(call(() => raw.transactionCollections(this.scope.live))) as string[];
    return this.target.ask(COLLECTIONS, Lane.Read, signal, undefined, (reply) => decodeValue(bytesOf(reply)) as string[]);
  }

  /**
   * The position in the change feed after the commit that a snapshot sees. A program that copies its data and reads the changes from
   * there misses none and gets none twice.
   */
  get position(): string {
    if (this.scope.isOver || this.scope.database.isOver) throw this.scope.refusal();
    return this.#position === "" ? call(() => raw.transactionPosition(this.scope.live)) : this.#position;
  }

  /** Whether it can still be used. */
  get isOpen(): boolean {
    return !this.scope.isOver && !this.scope.database.isOver;
  }

  /** Ends it. A second call does nothing. Cursors of a snapshot stay valid. */
  async close(): Promise<void> {
    if (this.scope.isOver) return;
    this.ended();
    if (!this.scope.database.isOver) raw.release(this.scope.handle);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected ended(): void {
    this.scope.isOver = true;
    abandoned.unregister(this);
  }
}

/** Changes that become visible together, or not at all. */
export class AsyncTransaction extends AsyncSnapshot {
  /** Whether a name means another collection in here than outside. */
  #renames = false;
  /** Whether its commit failed, which ended it. */
  #isFailed = false;

  /** @internal */
  constructor(handle: Handle, database: Scope, owner: object, sequence: number) {
    super(handle, "transaction", database, owner, sequence, "");
  }

  /** @internal Lets `close` of the database end it. */
  begun(): this {
    this.scope.database.begun = this.scope;
    return this;
  }

  /** @internal */
  get of(): Scope {
    return this.scope;
  }

  #renamed(): void {
    this.#renames = true;
    this.scope.renamed();
  }

  /** @internal */
  protected override ended(): void {
    super.ended();
    if (this.scope.database.begun === this.scope) this.scope.database.begun = undefined;
    if (this.#renames) this.scope.renamed();
  }

  override get position(): string {
    void this.scope.live;
    throw errorFrom(code.UNSUPPORTED, "a write transaction has no position before its commit; ask the database after it");
  }

  /**
   * Commits, with the given durability. Resolves to the sequence of the commit. Calls of the transaction that were made before are
   * part of it, also those nobody awaited.
   *
   * @throws ConflictError, UniqueViolationError, NoSpaceError; nothing of the transaction is visible then.
   */
  async commit(durability?: Durability, options?: CallOptions): Promise<number> {
    only(options, ["signal"], "commit");
    return this.commitAs(durabilityOf(durability), options);
  }

  /** @internal Whether a call of the program committed or aborted it. */
  get isEndedByCall(): boolean {
    return this.scope.isOver && !this.#isFailed;
  }

  /** @internal */
  async commitAs(durability: number, options?: CallOptions): Promise<number> {
    const handle = this.scope.live;
    const asked = this.target.ask(COMMIT, Lane.Transaction, signalOf(options), (to) => to.integer(durability), numberOf);
    // Later calls come too late, and say so at once.
    this.scope.end = "was committed";
    this.ended();
    try {
      return await asked;
    } catch (error) {
      this.scope.end = error instanceof EntidbError ? error : "was aborted, because its commit was cancelled";
      this.#isFailed = true;
      throw error;
    } finally {
      raw.release(handle);
    }
  }

  /** Aborts: the changes are lost. */
  async abort(): Promise<void> {
    const handle = this.scope.live;
    const asked = this.target.ask(ABORT, Lane.Transaction, undefined, undefined, none);
    this.scope.end = "was aborted";
    this.ended();
    try {
      await asked;
    } finally {
      raw.release(handle);
    }
  }

  /** Ends it: aborts when it is open. A second call does nothing. */
  override async close(): Promise<void> {
    if (this.scope.isOver || this.scope.database.isOver) return;
    const { end } = this.scope;
    await this.abort();
    this.scope.end = end;
  }

  /**
   * Sets a savepoint for `rollbackTo`. While it exists, each changed key counts twice against `transactionBytesMax`. @throws
   * TooLargeError.
   */
  async savepoint(options?: CallOptions): Promise<number> {
    only(options, ["signal"], "savepoint");
    return this.target.ask(SAVEPOINT, Lane.Transaction, signalOf(options), undefined, numberOf);
  }

  /** Undoes all changes since a savepoint. @throws TransactionError (`SAVEPOINT_NOT_FOUND`). */
  async rollbackTo(savepoint: number, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "rollbackTo");
    const number = whole(savepoint, "a savepoint");
    await this.target.ask(ROLLBACK, Lane.Transaction, signalOf(options), (to) => to.integer(number), none);
    if (this.#renames) this.scope.renamed();
  }

  /** Creates an empty collection. @throws CollectionExistsError. */
  async createCollection(name: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "createCollection");
    const given = text(name, "the name of a collection");
    return this.target.ask(CREATE, Lane.Transaction, signalOf(options), (to) => to.text(given), none);
  }

  /** Renames a collection. @throws CollectionNotFoundError, CollectionExistsError. */
  async renameCollection(from: string, to: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "renameCollection");
    const [before, after] = [text(from, "the name of a collection"), text(to, "the new name of a collection")];
    const signal = signalOf(options);
    await this.target.ask(RENAME, Lane.Transaction, signal, (request) => (request.text(before), request.text(after)), none);
    this.#renamed();
  }

  /** Drops a collection with its entities and indexes. @throws CollectionNotFoundError. */
  async dropCollection(name: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "dropCollection");
    const given = text(name, "the name of a collection");
    await this.target.ask(DROP, Lane.Transaction, signalOf(options), (to) => to.text(given), none);
    this.#renamed();
  }
}

const abandoned = new FinalizationRegistry<{ handle: Handle; noun: string }>(({ handle, noun }) => {
  if (noun === "transaction" && raw.transactionIsOpen(handle)) warnAbandoned("a transaction was dropped");
  raw.release(handle);
});

/** @internal Runs a function in a transaction, which calls inside of it know. */
export async function within<R>(
  transaction: AsyncTransaction,
  run: (transaction: AsyncTransaction) => R | PromiseLike<R>,
  durability: number,
  signal: Signal | undefined,
): Promise<R> {
  let result: R;
  try {
    const given = context.run(transaction.of, () => run(transaction));
    if (!isPromised(given) && typeof (given as { next?: unknown } | null | undefined)?.next === "function") {
      throw refused("the function of a transaction returned an iterator, and nothing of it has run; await what it gives inside the function");
    }
    result = await given;
  } catch (error) {
    await transaction.close().catch(() => undefined);
    throw error;
  }
  if (!transaction.isEndedByCall) await transaction.commitAs(durability, { signal });
  return result;
}
