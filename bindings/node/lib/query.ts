/**
 * Questions to a collection.
 *
 * Always: a query is a value; each method gives a new one, and nothing is read until it is asked for answers.
 * Does not know: how answers are found; `explain` says it.
 */
import type { Collection } from "./collection";
import type { Cursor } from "./cursor";
import type { Document, Entity } from "./entity";
import { kindOf, refused, text, whole } from "./native";
import { type Path, pathOf } from "./path";

/** A condition on documents. Made by fields: `f.age.gte(18)`. */
export class Condition {
  /** @internal */
  readonly node: readonly unknown[];

  /** @internal */
  constructor(node: readonly unknown[]) {
    this.node = node;
  }

  /** Both hold. */
  and(...others: readonly Condition[]): Condition {
    return new Condition(["and", ...joined("and", this, others)]);
  }

  /** One of them holds. */
  or(...others: readonly Condition[]): Condition {
    return new Condition(["or", ...joined("or", this, others)]);
  }

  /** It does not hold. */
  not(): Condition {
    return new Condition(["not", this.node]);
  }
}

function joined(name: string, first: Condition, others: readonly Condition[]): unknown[] {
  const nodes: unknown[] = [];
  for (const condition of [first, ...others]) {
    const node = nodeOf(condition, name);
    if (node[0] === name) nodes.push(...node.slice(1));
    else nodes.push(node);
  }
  return nodes;
}

function nodeOf(condition: unknown, where: string): readonly unknown[] {
  if (condition instanceof Condition) return condition.node;
  throw refused(`${where} takes conditions such as f.age.gte(18), not ${kindOf(condition)}`);
}

/** All of these hold. With none, everything does. */
export function all(...conditions: readonly Condition[]): Condition {
  return new Condition(conditions.length === 0 ? ["true"] : ["and", ...conditions.map((one) => nodeOf(one, "all"))]);
}

/** One of these holds. With none, nothing does. */
export function any(...conditions: readonly Condition[]): Condition {
  return new Condition(conditions.length === 0 ? ["false"] : ["or", ...conditions.map((one) => nodeOf(one, "any"))]);
}

/** It does not hold. */
export function not(condition: Condition): Condition {
  return new Condition(["not", nodeOf(condition, "not")]);
}

/** What can be said of a field. */
export interface Conditions {
  /** Equal; 1 and 1.0 are. */
  eq(value: unknown): Condition;
  /** There, and not equal. */
  ne(value: unknown): Condition;
  /** Less, among values of the same class. */
  lt(value: unknown): Condition;
  /** Less or equal. */
  lte(value: unknown): Condition;
  /** Greater. */
  gt(value: unknown): Condition;
  /** Greater or equal. */
  gte(value: unknown): Condition;
  /** Equal to one of these. */
  in(values: readonly unknown[]): Condition;
  /** From low to high, both included. */
  between(low: unknown, high: unknown): Condition;
  /** There, null included. */
  exists(): Condition;
  /** There, and null. */
  isNull(): Condition;
  /** An array with this element. */
  contains(value: unknown): Condition;
  /** A text that begins like this. */
  startsWith(prefix: string): Condition;
}

/** A field of a document; its properties are the fields below it. A field called like a method is written `f(["eq"])`. */
export type Field = Conditions & { readonly [name: string]: Field };

/** Makes fields: `f.author.name`, `f.lines[0]`, `f["we.ird"]`, or `f("author.name")` with dots, `f(["we.ird", 0])` by steps. */
export interface Fields {
  (path: string | Path): Field;
  readonly [name: string]: Field;
}

const METHODS = new Set(["eq", "ne", "lt", "lte", "gt", "gte", "in", "between", "exists", "isNull", "contains", "startsWith"]);

function said(path: Path, method: string, operands: readonly unknown[]): Condition {
  const [one, two] = operands;
  const values = (count: number): void => {
    for (let i = 0; i < count; i++) {
      if (operands[i] === undefined) throw refused(`${method} takes ${count === 1 ? "a value" : "two values"}, not undefined; ask exists() whether a field is there`);
    }
  };
  switch (method) {
    case "eq":
    case "ne":
    case "lt":
    case "gt":
    case "contains":
      values(1);
      return new Condition([method, path, one]);
    case "lte":
      values(1);
      return new Condition(["le", path, one]);
    case "gte":
      values(1);
      return new Condition(["ge", path, one]);
    case "in":
      if (!Array.isArray(one)) throw refused(`in takes an array of values, not ${kindOf(one)}`);
      return new Condition(["in", path, one]);
    case "between":
      values(2);
      return new Condition(["between", path, one, two]);
    case "exists":
      return new Condition(["exists", path]);
    case "isNull":
      return new Condition(["is_null", path]);
    default:
      return new Condition(["starts_with", path, text(one, "the beginning startsWith asks for")]);
  }
}

/** What fields are instances of, so that one that is given for a value is refused by name. */
class Named {}
Object.defineProperty(Named, "name", { value: "Field" });

function fieldOf(path: Path): Field {
  return new Proxy(new Named(), {
    get(_, name): unknown {
      if (typeof name !== "string") return undefined;
      if (METHODS.has(name)) return (...operands: unknown[]) => said(path, name, operands);
      return fieldOf([...path, step(name)]);
    },
    set(_, name): boolean {
      throw refused(`the field ${String(name)} of a query cannot be assigned; did you mean .eq(value)?`);
    },
  }) as Field;
}

/** `f.lines[0]` reaches us as the text "0". */
function step(name: string): string | number {
  return /^(0|[1-9]\d{0,14})$/.test(name) ? Number(name) : name;
}

/** Fields of documents, to make conditions of: `f.age.gte(18)`. */
export const f: Fields = new Proxy(function fields() {} as unknown as Fields, {
  apply: (_, __, [path]: [string | Path]) => fieldOf(pathOf(path)),
  get: (_, name) => (typeof name === "string" ? fieldOf([step(name)]) : undefined),
});

/** How the answers of a query are found. */
export interface Explanation {
  /** The collection asked. */
  collection: string;
  /** The index whose rows are walked; null for a scan. */
  index: string | null;
  /** How many ranges of rows are walked. */
  ranges: number;
  /** Whether the walk goes from the end. */
  reverse: boolean;
  /** Whether every entity, or every row of the index, is looked at. */
  scan: boolean;
  /** Whether answers are gathered and sorted before the first comes. */
  sort: boolean;
  /** Whether each entity found is checked against the filter. */
  filter: boolean;
  /** All of it in a sentence. */
  text: string;
}

/** Some answers and where to go on. */
export interface Page<T> {
  /** The answers. */
  entities: Entity<T>[];
  /** Pass it to `after` for the next page; undefined when there is none. */
  token: string | undefined;
}

interface Parts {
  readonly filter: readonly unknown[];
  readonly order: readonly (readonly [Path, boolean])[];
  readonly limit: number | undefined;
  readonly offset: number;
  readonly after: Uint8Array | undefined;
}

/**
 * A question to a collection, iterable as often as you like.
 *
 * ```ts
 * for (const user of users.find(f.age.gte(18)).orderBy("-age").limit(10)) console.log(user.name);
 * ```
 */
export class Query<T = Document> implements Iterable<Entity<T>> {
  readonly #collection: Collection<T>;
  readonly #parts: Parts;

  /** @internal */
  constructor(collection: Collection<T>, parts: Parts) {
    this.#collection = collection;
    this.#parts = parts;
  }

  /** @internal */
  static of<T>(collection: Collection<T>, condition: Condition | undefined): Query<T> {
    const filter = condition === undefined ? ["true"] : nodeOf(condition, "find");
    return new Query(collection, { filter, order: [], limit: undefined, offset: 0, after: undefined });
  }

  #with(parts: Partial<Parts>): Query<T> {
    return new Query(this.#collection, { ...this.#parts, ...parts });
  }

  /** @internal The query as it is encoded. */
  get encoded(): object {
    const { filter, order, limit, offset, after } = this.#parts;
    return { v: 1, filter, ...(order.length > 0 && { order }), limit, ...(offset > 0 && { offset }), after };
  }

  /** Orders by these fields; `-` before one is descending. */
  orderBy(...fields: readonly string[]): Query<T> {
    const order = fields.map((field) => {
      const descending = text(field, "a field to order by").startsWith("-");
      return [pathOf(descending ? field.slice(1) : field), descending] as const;
    });
    return this.#with({ order });
  }

  /** At most so many answers. */
  limit(count: number): Query<T> {
    return this.#with({ limit: whole(count, "the limit of a query") });
  }

  /** Leaves out so many answers first. */
  offset(count: number): Query<T> {
    return this.#with({ offset: whole(count, "the offset of a query") });
  }

  /** Goes on after the place of a page token. */
  after(token: string | Uint8Array | undefined): Query<T> {
    if (token === undefined) return this.#with({ after: undefined });
    if (typeof token !== "string" && !(token instanceof Uint8Array)) throw refused(`a page token is text, not ${kindOf(token)}`);
    return this.#with({ after: new Uint8Array(typeof token === "string" ? Buffer.from(token, "base64url") : token) });
  }

  /** Starts to read the answers, with page tokens. Read it to the end, close it, or use `using`. */
  cursor(): Cursor<T> {
    return this.#collection.ask(this, true);
  }

  [Symbol.iterator](): IterableIterator<Entity<T>> {
    return this.#collection.ask(this, false);
  }

  /** All answers. */
  toArray(): Entity<T>[] {
    return this.#collection.gather(this);
  }

  /** Some answers, and the token to go on with. */
  page(size: number): Page<T> {
    const cursor = this.limit(size).cursor();
    try {
      const entities: Entity<T>[] = [];
      for (let next = cursor.next(); next.done !== true; next = cursor.next()) entities.push(next.value);
      return { entities, token: entities.length === size ? cursor.token : undefined };
    } finally {
      cursor.close();
    }
  }

  /** The first answer. */
  first(): Entity<T> | undefined {
    return this.#collection.gather(this.#parts.limit === 0 ? this : this.limit(1))[0];
  }

  /** How many answers there are. */
  count(): number {
    return this.#collection.countOf(this);
  }

  /** Whether there is an answer. */
  exists(): boolean {
    return this.#parts.limit === 0 ? false : this.limit(1).count() > 0;
  }

  /** Removes the answers, and gives how many there were. */
  delete(): number {
    return this.#collection.deleteOf(this);
  }

  /** How the answers would be found. */
  explain(): Explanation {
    return this.#collection.explanationOf(this);
  }
}
