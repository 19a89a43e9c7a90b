/**
 * What a type of documents says about their fields: names, paths, what a field is compared with, and whether it can be stored.
 *
 * Always: types alone, nothing of it runs. Where a type is `any` or `unknown`, everything goes. Does not know: values.
 */
import type { Path } from "./path";
import type { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector } from "./values";

/** Values that have no fields below them. */
type Leaf =
  | string | number | bigint | boolean | null | undefined | Date | Timestamp | Decimal | Uuid | EntityId | Float | Vector
  | Tagged | ArrayBufferView | ArrayBuffer;

type IsUnknown<V> = unknown extends V ? true : false;

/** The names of the fields of all members of a union. */
export type Names<V> = V extends Leaf ? never : V extends readonly unknown[] ? number : V extends ReadonlyMap<unknown, unknown> ? never : keyof V & (string | number);

/** What stands in the field of a name, in any member of a union that has it. */
export type Under<V, K> = V extends Leaf
  ? never
  : V extends readonly (infer E)[]
    ? K extends number | `${number}` ? E : never
    : V extends ReadonlyMap<unknown, infer E>
      ? E
      : K extends keyof V
        ? Exclude<V[K], undefined>
        : K extends `${infer N extends number}`
          ? N extends keyof V ? Exclude<V[N], undefined> : never
          : never;

/** The elements of a value that is an array. */
export type Elements<V> = V extends Leaf ? never : V extends readonly (infer E)[] ? E : never;

/** What a value is compared with: others of its class. Literals stay, so that `status.eq("opne")` does not compile. */
type Comparable<V> = V extends undefined
  ? never
  : V extends number
    ? number extends V ? number | bigint | Float : V
    : V extends bigint
      ? bigint extends V ? number | bigint | Float : V
      : V extends Float ? number | bigint | Float
        : V extends Date | Timestamp ? Date | Timestamp
          : V extends Uint8Array | ArrayBuffer ? Uint8Array | ArrayBuffer
            : V;

/** What a field is compared with: another value, or one that an element of the field equals. */
export type Operand<V> = IsUnknown<V> extends true ? unknown : Comparable<V> | Comparable<Elements<V>>;

/** What an element of a field is compared with; nothing where the field is no array. */
export type ElementOperand<V> = IsUnknown<V> extends true ? unknown : Comparable<Elements<V>>;

/** What the beginning of a field is compared with; nothing where the field is no text and no array of texts. */
export type Prefix<V> = IsUnknown<V> extends true ? string : [Extract<V | Elements<V>, string>] extends [never] ? never : string;

/** The field names a written path can hold as they are. */
type Plain<K> = K extends `${string}.${string}` | `${string}\\${string}` | "" ? never : K extends string | number ? `${K}` : never;

/** The fields of documents of a type as paths with dots, four steps deep; below that, and where a type says nothing, any text. */
export type PathOf<D> = IsUnknown<D> extends true ? string : Steps<D, [1, 1, 1, 1]>;

type Steps<V, Left extends readonly unknown[]> = {
  [K in Plain<Names<V>>]: K | `${K}.${Further<Under<V, K>, Left>}`;
}[Plain<Names<V>>];

type Further<V, Left extends readonly unknown[]> = IsUnknown<V> extends true
  ? string
  : Left extends readonly [unknown, ...infer Rest] ? Steps<V, Rest> : string;

/** What stands at a path. */
export type ValueAt<D, P> = IsUnknown<D> extends true
  ? unknown
  : P extends `${infer K}.${infer Rest}` ? ValueAt<Under<D, K>, Rest> : Under<D, P>;

/** A field to order by; `-` before it is descending. */
export type OrderOf<D> = PathOf<D> | `-${PathOf<D>}`;

/** Fields by their paths, with what they are set to. */
export type Changes<D> = IsUnknown<D> extends true ? Readonly<Record<string, unknown>> : { readonly [P in PathOf<D>]?: SetAt<D, P> };

/**
 * What is given at a path. One that ends with a name of any text (`more.${string}`) is to TypeScript that of all paths below it too
 * (`more.any.count`), so it takes what any of them takes.
 */
type SetAt<D, P extends string> = `${P}.x` extends P ? ValueAt<D, P> | Below<ValueAt<D, P>> : ValueAt<D, P>;
type Below<V> = IsUnknown<V> extends true ? unknown : ValueAt<V, PathOf<V>>;

type Numeric = number | bigint | Float | Decimal;

/** A path to a number. */
export type NumberAt<D, P> = P extends Path
  ? P
  : IsUnknown<ValueAt<D, P>> extends true ? P : [Extract<ValueAt<D, P>, Numeric>] extends [never] ? never : P;

/** What is put into a document at a path. */
export type Given<D, P> = P extends Path ? unknown : ValueAt<D, P>;

/** What is appended to the array at a path. */
export type Appended<D, P> = P extends Path
  ? unknown
  : IsUnknown<ValueAt<D, P>> extends true ? unknown : Elements<ValueAt<D, P>>;

/**
 * Whether documents are read with the type they are declared with. A type that is not says, in the error, what to declare instead:
 *
 * - An integer is read as a number where that is exact, else as a bigint. So a field with bigints is `number | bigint`.
 * - A moment is read as a `Date` where that is exact, else as a `Timestamp`. So a field with timestamps is `Date | Timestamp`.
 * - A float is read as a number, by `exact` collections as a `Float` when it has no fraction. So a field is `number | Float`.
 * - Bytes are read as a `Uint8Array`, and a `Map` with nothing but text keys as an object.
 * - Functions, symbols and instances of classes with methods are not stored.
 */
export type Storable<D> = { [K in keyof D]: Stored<D[K]> };

type Stored<V> = IsUnknown<V> extends true ? V : StoredOne<V, V>;

type StoredOne<V, All> = V extends string | number | boolean | null | undefined
  ? V
  : V extends bigint
    ? [Extract<All, number>] extends [never] ? "an integer is read as a number where that is exact; declare number | bigint" : V
    : V extends Timestamp
      ? [Extract<All, Date>] extends [never] ? "a moment is read as a Date where that is exact; declare Date | Timestamp" : V
      : V extends Float
        ? [Extract<All, number>] extends [never] ? "a float is read as a number where it has a fraction; declare number | Float" : V
        : V extends Date | Decimal | Uuid | EntityId | Vector | Tagged | Float32Array | Float64Array | Int8Array
          ? V
          : V extends { readUInt8: unknown } | ArrayBuffer | Uint8ClampedArray
            ? "bytes are read as a Uint8Array; declare that"
            : V extends Uint8Array
              ? V
              : V extends ReadonlyMap<infer K, unknown>
                ? [K] extends [string] ? "a Map with text keys is read as an object; declare Record<string, …>" : V
                : V extends readonly unknown[]
                  ? { [K in keyof V]: Stored<V[K]> }
                  : V extends symbol | ((...given: never[]) => unknown)
                    ? "a function or symbol has no form in a document"
                    : Storable<V>;
