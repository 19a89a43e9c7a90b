/**
 * Queries to a collection, with promises.
 *
 * Always: a query is a value, made by the methods of `Query`; nothing is read until results are asked for. Does not know: how results
 * are found.
 */
import { whole } from "../argument";
import { notCloneable } from "../clone";
import type { Collection } from "../collection";
import type { Document, Entity } from "../entity";
import { type Asked, type Explanation, type Page, Query } from "../query";
import type { OrderOf } from "../shape";
import type { AsyncCollection } from "./collection";
import type { AsyncCursor } from "./cursor";
import type { Signal } from "./requests";
import { streamOf } from "./stream";

const NOT_CLONEABLE = notCloneable("AsyncQuery", "make it in the thread that uses it");

/**
 * A query to a collection, which can be iterated more than once.
 *
 * ```ts
 * for await (const user of users.find((user) => user.age.gte(18)).orderBy("-age").limit(10)) console.log(user.name);
 * ```
 */
export class AsyncQuery<T = Document> implements AsyncIterable<Entity<T>> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  readonly #collection: AsyncCollection<T>;
  readonly #query: Query<T>;
  readonly #signal: Signal | undefined;

  /** @internal */
  constructor(collection: AsyncCollection<T>, query: Query<T>, signal: Signal | undefined) {
    this.#collection = collection;
    this.#query = query;
    this.#signal = signal;
  }

  /** @internal */
  static of<T>(collection: AsyncCollection<T>, asked: Asked<T> | undefined, signal: Signal | undefined): AsyncQuery<T> {
    // The query alone, which is asked of no collection of its own.
    return new AsyncQuery(collection, Query.of<T>(undefined as unknown as Collection<T>, asked), signal);
  }

  #with(query: Query<T>): AsyncQuery<T> {
    return new AsyncQuery(this.#collection, query, this.#signal);
  }

  #paged(page: number): object {
    return { ...this.#query.encoded, page };
  }

  /** Sorts by these fields, descending with `-` before one. */
  orderBy(...fields: readonly OrderOf<T>[]): AsyncQuery<T> {
    return this.#with(this.#query.orderBy(...fields));
  }

  /** Returns at most this number of results, on all pages together. */
  limit(count: number): AsyncQuery<T> {
    return this.#with(this.#query.limit(count));
  }

  /** Skips the first results, before the first page only. */
  offset(count: number): AsyncQuery<T> {
    return this.#with(this.#query.offset(count));
  }

  /** Continues behind the entity of a page token. */
  after(token: string | Uint8Array | undefined): AsyncQuery<T> {
    return this.#with(this.#query.after(token));
  }

  /** Runs the query, with page tokens. Read the cursor to its end, close it, or use `await using`. */
  cursor(): AsyncCursor<T> {
    return this.#collection.cursorOf(this.#query.encoded, this.#signal, true);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Entity<T>> {
    return this.#collection.cursorOf(this.#query.encoded, this.#signal, false);
  }

  /** All results. They are decoded batch by batch, with turns of the loop between. */
  async toArray(): Promise<Entity<T>[]> {
    return this.#collection.cursorOf(this.#query.encoded, this.#signal, false).toArray();
  }

  /** The results as a web `ReadableStream`, which reads as fast as it is read. */
  stream(): ReadableStream<Entity<T>> {
    return streamOf(this[Symbol.asyncIterator]());
  }

  /**
   * A page of at most `size` results, and the token for `after` to get the next page; undefined on the last page. `limit` and `offset`
   * apply to all pages together: a limit of 25 gives pages of 10, 10 and 5.
   */
  async page(size: number): Promise<Page<T>> {
    const cursor = this.#collection.cursorOf(this.#paged(whole(size, "the size of a page")), this.#signal, true);
    try {
      const entities = await cursor.toArray();
      return { entities, token: cursor.token };
    } finally {
      cursor.close();
    }
  }

  /** The first result. */
  async first(): Promise<Entity<T> | undefined> {
    return (await this.#collection.cursorOf(this.#paged(1), this.#signal, false).toArray())[0];
  }

  /** The number of results. */
  async count(): Promise<number> {
    return this.#collection.countOf(this.#query.encoded, this.#signal);
  }

  /** Whether there is a result. */
  async exists(): Promise<boolean> {
    return (await this.#collection.countOf(this.#paged(1), this.#signal)) > 0;
  }

  /** Deletes the results; returns how many there were. */
  async delete(): Promise<number> {
    return this.#collection.deleteOf(this.#query.encoded, this.#signal);
  }

  /** The plan of the query. */
  async explain(): Promise<Explanation> {
    return this.#collection.explanationOf(this.#query.encoded, this.#signal);
  }
}
