/**
 * What a database, a snapshot or a transaction is to what was taken from it: a handle, and whether it can still be used.
 *
 * Always: collections go with it, so that nothing has to be remembered for them; what is over says by which error.
 * Does not know: what is done with it.
 */
import { code } from "./codes.g";
import { EntidbError, errorFrom } from "./errors.g";
import { type Handle, call, raw } from "./raw";

/** How many collections are freed with the scope; the garbage collector frees further ones. */
const KEPT_MAX = 1000;

const dropped = new FinalizationRegistry<Handle>((handle) => raw.release(handle));

/** @internal The handle of a collection. */
export interface CollectionPlace {
  readonly handle: Handle;
}

/** @internal */
export class Scope {
  readonly handle: Handle;
  /** The scope of the database; itself for that of one. */
  readonly database: Scope;
  /** The word for it in messages. */
  readonly noun: string;
  isOver = false;
  /** How it ended, where that is known: words after "it", or the error of its commit. */
  end: string | EntidbError | undefined;
  /** The write transaction that `begin` gave and that has not ended; of a database's scope alone. There is one at a time. */
  begun: Scope | undefined;
  #collections: Map<string, CollectionPlace> | undefined;
  /** Counts what may have given a name to another collection; of a database's scope alone. */
  #names = 0;
  /** The count when the kept collections were taken. */
  #keptAt = 0;

  /** Where the database is. */
  readonly path: string | undefined;

  constructor(handle: Handle, noun: string, database?: Scope, path?: string) {
    this.path = path;
    this.handle = handle;
    this.noun = noun;
    this.database = database ?? this;
  }

  /** The handle, when it can be used. */
  get live(): Handle {
    if (this.isOver || this.database.isOver) throw this.refusal();
    return this.handle;
  }

  /** Why it cannot be used. */
  refusal(collection?: string): EntidbError {
    const context = collection === undefined ? {} : { collection };
    const { path } = this.database;
    if (this.database.isOver) {
      return errorFrom(code.CLOSED, "the database is closed; open it again", path === undefined ? context : { ...context, path });
    }
    const { end, noun } = this;
    if (end instanceof EntidbError && end.code === "TRANSACTION_ENDED") return errorFrom(code.TRANSACTION_ENDED, end.message, context);
    let how = "";
    if (end !== undefined) how = typeof end === "string" ? `: it ${end}` : `: its commit failed with ${end.code}, ${end.message}`;
    return errorFrom(code.TRANSACTION_ENDED, `the ${noun} has ended${how}; ${noun === "snapshot" ? "take" : "begin"} a new one`, context);
  }

  /** Says that a name may mean another collection from now on. */
  renamed(): void {
    this.database.#names += 1;
  }

  /**
   * The collection that has a name now. A handle stays with its collection when that is renamed or dropped, so handles are
   * kept only while no name has changed.
   */
  collection(name: string): CollectionPlace {
    if (this.#keptAt !== this.database.#names) {
      for (const place of this.#collections?.values() ?? []) dropped.register(place, place.handle);
      this.#collections = undefined;
      this.#keptAt = this.database.#names;
    }
    const known = this.#collections?.get(name);
    if (known !== undefined && !this.isOver && !this.database.isOver) return known;
    const handle = this.live;
    const take = this.database === this ? raw.databaseCollection : raw.transactionCollection;
    const place = { handle: call(() => take(handle, name)) };
    this.#collections ??= new Map();
    if (this.#collections.size < KEPT_MAX) this.#collections.set(name, place);
    else dropped.register(place, place.handle);
    return place;
  }
}
