/**
 * Transactions and snapshots.
 *
 * Always: nothing of a transaction is seen before its commit; one that is dropped unfinished aborts, with a warning.
 * Does not know: what is changed.
 */
import { type Collection, type CollectionOptions, collectionOf } from "./collection";
import { decodeValue } from "./decode";
import type { Document } from "./entity";
import { type NativeTransaction, call, kindOf, refused, text, whole } from "./native";

/** When a commit is on stable storage: before it returns, soon after, or when the database writes it by itself. */
export type Durability = "durable" | "grouped" | "none";

/** Reads the database as one commit left it, whatever is written meanwhile. */
export class Snapshot {
  /** @internal */
  protected readonly native: NativeTransaction;
  readonly #owner: object;

  /** @internal */
  constructor(native: NativeTransaction, owner: object) {
    this.native = native;
    this.#owner = owner;
    abandoned.register(this, { native, kind: this.constructor.name }, this);
  }

  /** A collection as this sees it. */
  collection<T = Document>(name: string, options?: CollectionOptions): Collection<T> {
    return collectionOf<T>(this.native, name, this, options);
  }

  /** The names of the collections, sorted. */
  collections(): string[] {
    return decodeValue(call(() => this.native.collections())) as string[];
  }

  /** The commit it sees. */
  get sequence(): number {
    return call(() => this.native.sequence());
  }

  /** Whether it can still be used. */
  get isOpen(): boolean {
    return this.native.isOpen();
  }

  /** @internal */
  isOver = false;

  /** Ends it. A second time does nothing. Walks that were begun go on. */
  close(): void {
    this.isOver = true;
    this.ended();
    if (this.native.isOpen()) call(() => this.native.abort());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  protected ended(): void {
    abandoned.unregister(this);
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}

/** Changes that become visible together, or not at all. */
export class Transaction extends Snapshot {
  /**
   * Makes the changes visible, and durable as asked. Gives the sequence of the commit.
   *
   * @throws ConflictError, UniqueViolationError, NoSpaceError; nothing of the transaction is visible then.
   */
  commit(durability?: Durability): number {
    const asked = durability === undefined ? undefined : text(durability, "durability");
    const sequence = call(() => this.native.commit(asked));
    this.ended();
    return sequence;
  }

  /** Forgets the changes. */
  abort(): void {
    this.ended();
    call(() => this.native.abort());
  }

  /** Marks this place, to come back to with `rollbackTo`. */
  savepoint(): number {
    return call(() => this.native.savepoint());
  }

  /** Undoes what was changed since a savepoint. @throws TransactionError (`SAVEPOINT_NOT_FOUND`). */
  rollbackTo(savepoint: number): void {
    call(() => this.native.rollbackTo(whole(savepoint, "a savepoint")));
  }

  /** Creates an empty collection. @throws CollectionExistsError. */
  createCollection(name: string): void {
    call(() => this.native.createCollection(text(name, "the name of a collection")));
  }

  /** Gives a collection another name. @throws CollectionNotFoundError, CollectionExistsError. */
  renameCollection(from: string, to: string): void {
    call(() => this.native.renameCollection(text(from, "the name of a collection"), text(to, "the new name of a collection")));
  }

  /** Removes a collection with everything in it. @throws CollectionNotFoundError. */
  dropCollection(name: string): void {
    call(() => this.native.dropCollection(text(name, "the name of a collection")));
  }
}

const abandoned = new FinalizationRegistry<{ native: NativeTransaction; kind: string }>(({ native, kind }) => {
  if (!native.isOpen()) return;
  if (kind === "Transaction") {
    process.emitWarning("a transaction was dropped without commit or abort; its changes are forgotten", {
      type: "EntidbWarning",
      code: "ENTIDB_TRANSACTION_ABANDONED",
    });
  }
  native.abort();
});

/** @internal Runs a function in a transaction. */
export function within<R>(transaction: Transaction, run: (transaction: Transaction) => R, durability: Durability | undefined): R {
  let result: R;
  try {
    result = run(transaction);
    const promised = result as { then?: unknown } | null | undefined;
    if ((typeof promised === "object" || typeof promised === "function") && typeof promised?.then === "function") {
      // What it does after this fails by itself, since the transaction has ended; the caller is told here.
      (promised as unknown as Promise<unknown>).then(undefined, () => undefined);
      throw refused(
        `the function of a transaction gave a promise (${kindOf(result)}), and nothing was committed; a transaction is synchronous, so await before it, or use begin() and commit()`,
      );
    }
  } catch (error) {
    if (transaction.isOpen) transaction.abort();
    throw error;
  }
  if (transaction.isOpen) transaction.commit(durability);
  return result;
}
