/**
 * Queries to a collection.
 *
 * Always: a query is a value; each method returns a new one, and nothing is read until results are asked for.
 * Does not know: how results are found; `explain` says it.
 */
import { kindOf, refused, text, whole } from "./argument";
import { notCloneable } from "./clone";
import type { Collection } from "./collection";
import type { Cursor } from "./cursor";
import type { Document, Entity } from "./entity";
import { CONDITION_METHODS } from "./interface.g";
import { type Path, pathOf } from "./path";
import type { ElementOperand, Names, Operand, OrderOf, Prefix, Under } from "./shape";

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Any = any;

const CONDITION_NOT_CLONEABLE = notCloneable("Condition", "make it in the thread that uses it");

/** A condition on documents, made by fields: `f.age.gte(18)`. It applies to documents of any type, unless typed fields made it. */
export class Condition<D = Any> {
  /** @internal */
  protected readonly notCloneable = CONDITION_NOT_CLONEABLE;
  /** The documents it applies to. */
  protected declare readonly asked?: (document: D) => void;
  /** @internal */
  readonly node: readonly unknown[];

  /** @internal */
  constructor(node: readonly unknown[]) {
    this.node = node;
  }

  /** Both conditions match. */
  and(...others: readonly Condition<D>[]): Condition<D> {
    return new Condition(["and", ...joined("and", this, others)]);
  }

  /** At least one of both conditions matches. */
  or(...others: readonly Condition<D>[]): Condition<D> {
    return new Condition(["or", ...joined("or", this, others)]);
  }

  /** The condition does not match. */
  not(): Condition<D> {
    return turned(this.node);
  }
}

function joined(name: string, first: Condition, others: readonly Condition[]): unknown[] {
  const nodes: unknown[] = [];
  for (const condition of [first, ...others]) {
    const node = nodeOf(condition, name);
    if (node[0] !== name) nodes.push(node);
    else for (let at = 1; at < node.length; at++) nodes.push(node[at]);
  }
  return nodes;
}

function nodeOf(condition: unknown, where: string): readonly unknown[] {
  if (condition instanceof Condition) return condition.node;
  throw refused(`${where} takes conditions such as f.age.gte(18), not ${kindOf(condition)}`);
}

/** All of these conditions match. Without any, everything matches. */
export function all<D = Any>(...conditions: readonly Condition<D>[]): Condition<D> {
  return new Condition(conditions.length === 0 ? ["true"] : ["and", ...conditions.map((one) => nodeOf(one, "all"))]);
}

/** At least one of these conditions matches. Without any, nothing matches. */
export function any<D = Any>(...conditions: readonly Condition<D>[]): Condition<D> {
  return new Condition(conditions.length === 0 ? ["false"] : ["or", ...conditions.map((one) => nodeOf(one, "any"))]);
}

/** The condition does not match. */
export function not<D = Any>(condition: Condition<D>): Condition<D> {
  return turned(nodeOf(condition, "not"));
}

function turned<D>(node: readonly unknown[]): Condition<D> {
  return new Condition(node[0] === "not" ? (node[1] as readonly unknown[]) : ["not", node]);
}

/** Conditions on a field with values of type `V`, in documents of type `D`. */
export interface Conditions<V = unknown, D = Any> {
  /** Equal; 1 and 1.0 are equal. An array matches as a whole or by one of its elements, also below. */
  eq(value: Operand<V>): Condition<D>;
  /** Not equal: the exact opposite of `eq`, so a missing field matches too. `f.a.exists().and(f.a.ne(1))` excludes that. */
  ne(value: Operand<V>): Condition<D>;
  /** Less, among values of the same type. */
  lt(value: Operand<V>): Condition<D>;
  /** Less or equal. */
  lte(value: Operand<V>): Condition<D>;
  /** Greater. */
  gt(value: Operand<V>): Condition<D>;
  /** Greater or equal. */
  gte(value: Operand<V>): Condition<D>;
  /** Equal to one of these. */
  in(values: readonly Operand<V>[]): Condition<D>;
  /** From low to high, both included. */
  between(low: Operand<V>, high: Operand<V>): Condition<D>;
  /** The field exists, also with null. */
  exists(): Condition<D>;
  /** The field exists and is null. */
  isNull(): Condition<D>;
  /** The array contains this element. */
  contains(value: ElementOperand<V>): Condition<D>;
  /** The text begins with this. */
  startsWith(prefix: Prefix<V>): Condition<D>;
}

/**
 * Members that TypeScript finds in every object or function before it looks for a field. Here they are fields, as they are when the
 * program runs.
 */
interface Shadowed {
  readonly name: Field;
  readonly length: Field;
  readonly call: Field;
  readonly apply: Field;
  readonly bind: Field;
  readonly arguments: Field;
  readonly caller: Field;
  readonly prototype: Field;
  readonly constructor: Field;
  readonly toString: Field;
  readonly toLocaleString: Field;
  readonly valueOf: Field;
  readonly hasOwnProperty: Field;
  readonly isPrototypeOf: Field;
  readonly propertyIsEnumerable: Field;
}

/** A field of any document; its properties are the fields below it. A field called like a method is written `f(["a", "eq"])`. */
export type Field = Conditions & Shadowed & { readonly [name: string]: Field };

/**
 * Makes fields of any document: `f.author.name`, `f.lines[0]`, `f["we.ird"]`, or `f("author.name")` with dots, `f(["we.ird", 0])` by
 * steps. They take every name and every value; fields of a type, `fields<Note>()` and those `find` gives to a function, do not.
 */
export interface Fields extends Shadowed {
  (path: string | Path): Field;
  readonly [name: string]: Field;
}

/** A field with values of type `V`, in documents of type `D`. */
export type FieldOf<V, D = Any> = unknown extends V
  ? Field
  : Conditions<V, D> & { readonly [K in Names<V>]-?: FieldOf<Under<V, K>, D> };

/** The fields of documents of type `D`: `(note) => note.tags.contains("first")`. */
export type FieldsOf<D> = unknown extends D
  ? Fields
  : string extends keyof D
    ? D extends Readonly<Record<string, infer V>> ? unknown extends V ? Fields : { readonly [name: string]: FieldOf<V, D> } : Fields
    : { readonly [K in Names<D>]-?: FieldOf<Under<D, K>, D> };

const METHODS = new Map(Object.entries(CONDITION_METHODS));

function said(path: Path, method: string, [name, ...kinds]: (typeof CONDITION_METHODS)[string], operands: readonly unknown[]): Condition {
  const given = kinds.map((kind, at) => {
    const operand = operands[at];
    if (kind === "values") {
      if (!Array.isArray(operand)) throw refused(`${method} takes an array of values, not ${kindOf(operand)}`);
    } else if (kind === "text") {
      text(operand, `the beginning ${method} asks for`);
    } else if (operand === undefined) {
      const count = kinds.length === 1 ? "a value" : "two values";
      throw refused(`${method} takes ${count}, not undefined; ask exists() whether a field is there`);
    }
    return operand;
  });
  return new Condition([name, path, ...given]);
}

/** What fields are instances of, so that one that is given for a value is refused by name. */
class Named {}
Object.defineProperty(Named, "name", { value: "Field" });

function fieldOf(path: Path): Field {
  return new Proxy(new Named(), {
    get(_, name): unknown {
      if (typeof name !== "string") return undefined;
      const condition = METHODS.get(name);
      if (condition !== undefined) return (...operands: unknown[]) => said(path, name, condition, operands);
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

/**
 * The fields of documents of a type: names it does not have and values a field cannot have do not compile.
 *
 * ```ts
 * const note = fields<Note>();
 * const isUrgent = note.tags.contains("urgent").or(note.title.startsWith("!"));
 * ```
 */
export function fields<D>(): FieldsOf<D> {
  return f as FieldsOf<D>;
}

/** What `find` takes: a condition, or a function that makes one of the fields of the collection's documents. */
export type Asked<D> = Condition<D> | ((fields: FieldsOf<D>) => Condition<D>);

/** The plan of a query. */
export interface Explanation {
  /** The collection. */
  collection: string;
  /** The index that is read; null for a scan, and when several are combined. */
  index: string | null;
  /** The kind of that index. */
  kind: string | null;
  /** The indexes that are read; several when they are combined. */
  indexes: string[];
  /** How several indexes are combined; null for one index or a scan. */
  combined: "or" | "and" | null;
  /** The indexes whose entities are left out of the results. */
  excluded: string[];
  /** The number of ranges of the index that are read. */
  ranges: number;
  /** Whether the index or collection is read backwards. */
  reverse: boolean;
  /** Whether every entity, or every row of the index, is read. */
  scan: boolean;
  /** Whether results are sorted before the first is returned. */
  sort: boolean;
  /** Whether each entity is checked against the filter. */
  filter: boolean;
  /** About how many entities or rows are read when all results are. */
  candidates: number;
  /** The plan, in words, that is used instead when a walk in the order of the results finds too few. */
  instead: string | null;
  /** The plan in words. */
  text: string;
}

/** A page of results. */
export interface Page<T> {
  /** The results. */
  entities: Entity<T>[];
  /** Pass it to `after` for the next page; undefined on the last one. */
  token: string | undefined;
}

/** The word of a direction behind a field, as SQL writes it. A backslash makes it a part of the name. */
const DIRECTION = /(?<!\\) (?:asc|desc)$/i;

interface Parts {
  readonly filter: readonly unknown[];
  readonly order: readonly (readonly [Path, boolean])[];
  readonly limit: number | undefined;
  readonly offset: number;
  readonly page: number | undefined;
  readonly after: Uint8Array | undefined;
}

const NOT_CLONEABLE = notCloneable("Query", "make it in the thread that uses it");

/**
 * A query to a collection, which can be iterated more than once.
 *
 * ```ts
 * for (const user of users.find((user) => user.age.gte(18)).orderBy("-age").limit(10)) console.log(user.name);
 * ```
 */
export class Query<T = Document> implements Iterable<Entity<T>> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  readonly #collection: Collection<T>;
  readonly #parts: Parts;

  /** @internal */
  constructor(collection: Collection<T>, parts: Parts) {
    this.#collection = collection;
    this.#parts = parts;
  }

  /** @internal */
  static of<T>(collection: Collection<T>, asked: Asked<T> | undefined): Query<T> {
    // Fields are no functions but may be called; `f` itself was meant to be asked something of.
    const condition: unknown = typeof asked === "function" && (asked as unknown) !== f ? asked(f as FieldsOf<T>) : asked;
    const filter = condition === undefined && asked === undefined ? ["true"] : nodeOf(condition, "find");
    return new Query(collection, { filter, order: [], limit: undefined, offset: 0, page: undefined, after: undefined });
  }

  #with(parts: Partial<Parts>): Query<T> {
    return new Query(this.#collection, { ...this.#parts, ...parts });
  }

  /** @internal The query as it is encoded. */
  get encoded(): object {
    const { filter, order, limit, offset, page, after } = this.#parts;
    return { v: 1, filter, ...(order.length > 0 && { order }), limit, ...(offset > 0 && { offset }), page, after };
  }

  /** Sorts by these fields, descending with `-` before one. */
  orderBy(...fields: readonly OrderOf<T>[]): Query<T> {
    const order = fields.map((field: string) => {
      const descending = text(field, "a field to order by").startsWith("-");
      if (field.length === Number(descending)) throw refused(`orderBy was given ${JSON.stringify(field)}, which names no field`);
      const [behind] = DIRECTION.exec(field) ?? [];
      if (behind !== undefined) {
        const name = field.slice(Number(descending), -behind.length);
        throw refused(
          `a direction stands before the field: "${name}" is ascending, "-${name}" descending; a field of that name is written with \\ before its last space`,
        );
      }
      return [pathOf(descending ? field.slice(1) : field), descending] as const;
    });
    return this.#with({ order });
  }

  /** Returns at most this number of results, on all pages together. */
  limit(count: number): Query<T> {
    return this.#with({ limit: whole(count, "the limit of a query") });
  }

  /** Skips the first results, before the first page only. */
  offset(count: number): Query<T> {
    return this.#with({ offset: whole(count, "the offset of a query") });
  }

  /** Continues behind the entity of a page token. */
  after(token: string | Uint8Array | undefined): Query<T> {
    if (token === undefined) return this.#with({ after: undefined });
    if (typeof token !== "string" && !(token instanceof Uint8Array)) throw refused(`a page token is text, not ${kindOf(token)}`);
    return this.#with({ after: new Uint8Array(typeof token === "string" ? Buffer.from(token, "base64url") : token) });
  }

  /** Runs the query, with page tokens. Read the cursor to its end, close it, or use `using`. */
  cursor(): Cursor<T> {
    return this.#collection.ask(this, true);
  }

  [Symbol.iterator](): IterableIterator<Entity<T>> {
    return this.#collection.ask(this, false);
  }

  /** All results. */
  toArray(): Entity<T>[] {
    return this.#collection.gather(this);
  }

  /**
   * A page of at most `size` results, and the token for `after` to get the next page; undefined on the last page. `limit` and `offset`
   * apply to all pages together: a limit of 25 gives pages of 10, 10 and 5.
   */
  page(size: number): Page<T> {
    const cursor = this.#with({ page: whole(size, "the size of a page") }).cursor();
    try {
      const entities: Entity<T>[] = [];
      for (let next = cursor.next(); next.done !== true; next = cursor.next()) entities.push(next.value);
      return { entities, token: cursor.token };
    } finally {
      cursor.close();
    }
  }

  /** The first result. */
  first(): Entity<T> | undefined {
    return this.#collection.gather(this.#with({ page: 1 }))[0];
  }

  /** The number of results. */
  count(): number {
    return this.#collection.countOf(this);
  }

  /** Whether there is a result. */
  exists(): boolean {
    return this.#with({ page: 1 }).count() > 0;
  }

  /** Deletes the results; returns how many there were. */
  delete(): number {
    return this.#collection.deleteOf(this);
  }

  /** The plan of the query. */
  explain(): Explanation {
    return this.#collection.explanationOf(this);
  }
}
