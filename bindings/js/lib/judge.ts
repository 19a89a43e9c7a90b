/**
 * What has a form in a document, and why something has none.
 *
 * Always: one rule: plain objects, arrays and the types that are documented are stored; everything else is refused, with the
 * path to it and the name of its type. Nothing is stored as less than it is. Does not know: bytes.
 */
import { kindOf } from "./argument";
import { isEntity } from "./entity";
import { code } from "./codes.g";
import { errorFrom } from "./errors.g";
import { inspect, isDeepStrictEqual, types } from "./host";
import { Tagged, Vector, isValue } from "./values";

/** @internal How deep a document may nest. */
export const DEPTH_MAX = 64;

/**
 * @internal Whether it is an object as literals and JSON make them, in this realm or another: what it holds is its own
 * enumerable fields and nothing else. Instances of classes may hold more, which nobody can see from outside.
 */
export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return !types.isExternal(value);
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/** @internal Whether it has enumerable fields whose names are symbols: a document has no place for them. */
export function hasSymbols(value: object): boolean {
  const symbols = Object.getOwnPropertySymbols(value);
  return symbols.length > 0 && symbols.some((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol));
}

/** Up to here an array is looked at by listing its keys, which takes time for each element. */
const KEYS_LISTED_MAX = 100;
/** And a typed array: 0.6 µs for 70 elements, as much as comparing it with its twin, whatever its length (2026-11-30). */
const VIEW_KEYS_LISTED_MAX = 70;
const FIELDS_ONLY = { maxArrayLength: 0, depth: 0, customInspect: false, breakLength: Infinity };
/** How Node shows an array or a typed array of which no element is shown, when it has nothing else. */
const NOTHING_ELSE = /^(?:\w+\(\d+\) (?:\[\w+\] )?)?\[ \.\.\. \d+ more items? \]$/;

/**
 * @internal Whether an array has fields beside its elements, as those that `match` gives have. An array with holes may be said to
 * have some. Only `inspect` can tell of a long one without listing its elements, so what it shows is a hint, and the list decides.
 */
export function hasExtraFields(array: ArrayLike<unknown>, listedMax = KEYS_LISTED_MAX): boolean {
  if (array.length > listedMax && NOTHING_ELSE.test(inspect(array, FIELDS_ONLY))) return false;
  return Object.keys(array).length !== array.length;
}

/**
 * A typed array over the same memory, which has no fields of its own; undefined for one of another class, and for memory that other
 * threads may change between the comparison of its bytes.
 */
function twinOf(view: ArrayBufferView): ArrayBufferView | undefined {
  const { buffer, byteOffset } = view;
  if (!types.isArrayBuffer(buffer)) return undefined;
  const { length } = view as Uint8Array;
  switch (Object.getPrototypeOf(view)) {
    case Float32Array.prototype:
      return new Float32Array(buffer, byteOffset, length);
    case Uint8Array.prototype:
      return new Uint8Array(buffer, byteOffset, length);
    case Buffer.prototype:
      return Buffer.from(buffer, byteOffset, length);
    case Float64Array.prototype:
      return new Float64Array(buffer, byteOffset, length);
    case Int8Array.prototype:
      return new Int8Array(buffer, byteOffset, length);
    default:
      return undefined;
  }
}

/** @internal Whether a date, a buffer or a view of one has fields beside what is stored of it. */
export function hasFields(value: object): boolean {
  if (ArrayBuffer.isView(value) && (value as Uint8Array).length > VIEW_KEYS_LISTED_MAX) {
    const twin = twinOf(value);
    if (twin !== undefined && isDeepStrictEqual(value, twin)) return false;
  }
  if (hasSymbols(value)) return true;
  return ArrayBuffer.isView(value) && "length" in value ? hasExtraFields(value as Uint8Array, VIEW_KEYS_LISTED_MAX) : Object.keys(value).length > 0;
}

/** The names of enumerable fields that are no elements of an array. */
function extraFields(value: object): string[] {
  const names = Object.keys(value);
  const { length } = value as { length?: unknown };
  if (ArrayBuffer.isView(value) && typeof length === "number") return names.filter((name) => !(Number(name) < length));
  return Array.isArray(value) ? names.filter((name) => !(String(Number(name) >>> 0) === name && Number(name) < value.length)) : names;
}

/** @internal Whether a buffer was transferred. Its views have no bytes then, and are not empty values. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    return new Uint8Array(buffer).length > 0;
  } catch {
    return true;
  }
}

/** What to store instead, by the name of the type. */
const INSTEAD: Readonly<Record<string, string>> = {
  URL: "its href",
  URLSearchParams: "Object.fromEntries(value)",
  Headers: "Object.fromEntries(value)",
  FormData: "Object.fromEntries(value)",
  Blob: "its bytes, from arrayBuffer()",
  File: "its bytes, from arrayBuffer()",
  RegExp: "its source and flags",
  Set: "[...set]",
  Entity: "{ ...value } for a copy of its document, or its id for a reference",
};

function instead(value: object): string {
  if (isEntity(value)) return INSTEAD["Entity"]!;
  if (types.isSet(value)) return INSTEAD["Set"]!;
  if (types.isBoxedPrimitive(value)) return "its valueOf()";
  if (types.isNativeError(value)) return "its message";
  if (types.isPromise(value)) return "what it gives, after await";
  if (typeof (value as { next?: unknown }).next === "function") return "what it gives, in an array";
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const maker = Object.getOwnPropertyDescriptor(at, "constructor")?.value as { name?: unknown } | undefined;
    const known = typeof maker?.name === "string" && Object.hasOwn(INSTEAD, maker.name) ? INSTEAD[maker.name] : undefined;
    if (known !== undefined) return known;
  }
  return "a plain object of what it holds";
}

/**
 * @internal Throws why a document cannot be encoded, and where; returns when it can. `path` is where the document is among others
 * that are given with it.
 */
export function judge(document: unknown, path = ""): void {
  judged(document, path, new Set());
}

/** @internal As `judge`, for a value that is put into a document at a path. */
export function judgeField(value: unknown, path: string): void {
  judged(value, path, new Set([ROOT]));
}

/** Stands for the document that a value is put into. */
const ROOT = {};

function judged(value: unknown, path: string, above: Set<object>): void {
  const isRoot = above.size === 0;
  const where = !isRoot ? path : path === "" ? "the document" : `the document at ${path}`;
  const field = path === "" ? {} : { field: path };
  const refuse = (why: string, number: number = code.UNREPRESENTABLE): Error => errorFrom(number, `${where} ${why}`, field);
  if (typeof value === "string" && !value.isWellFormed()) {
    throw refuse("holds half of a surrogate pair, which is no text", code.INVALID_UTF8);
  }
  if (typeof value === "bigint" && (value >= 1n << 64n || value < -(1n << 64n))) {
    throw refuse("is an integer of more than 64 bits", code.NUMBER_OUT_OF_RANGE);
  }
  if (value === undefined) throw refuse("is undefined; leave the field out, or store null");
  if (typeof value === "function" || typeof value === "symbol") throw refuse(`is a ${typeof value}, which has no form in a document`);
  if (value === null || typeof value !== "object") return;
  if (above.has(value)) throw refuse("contains itself");
  const alone = (): void => {
    const extra = hasFields(value) ? (extraFields(value)[0] ?? "named by a symbol") : undefined;
    if (extra !== undefined) throw refuse(`is ${kindOf(value)} with the field ${JSON.stringify(extra)} beside its value; store an object of both`);
  };
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) throw refuse("is an invalid date");
    return alone();
  }
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value instanceof Vector ? value.bytes.buffer : value;
  if (types.isAnyArrayBuffer(buffer) && isDetached(buffer)) {
    throw refuse(`is ${kindOf(value)} whose buffer was transferred, and has no bytes any more; store it before, or a copy`);
  }
  if (ArrayBuffer.isView(value)) {
    if (isKnownView(value)) return alone();
    throw refuse(`is ${kindOf(value)}; store its bytes as Uint8Array, or a Float32Array, Float64Array or Int8Array`);
  }
  if (types.isAnyArrayBuffer(value)) return alone();
  if (isValue(value) && !(value instanceof Tagged)) return;
  const isMap = types.isMap(value);
  if (!Array.isArray(value) && !isMap && !(value instanceof Tagged) && !isPlain(value) && !(isRoot && isEntity(value))) {
    throw refuse(`is ${kindOf(value)}, which has no form in a document; store ${instead(value)}`);
  }
  if (above.size >= DEPTH_MAX) throw errorFrom(code.TOO_DEEP, `the document nests more than ${DEPTH_MAX} deep, at ${where.slice(0, 200)}`);
  above.add(value);
  const below = (name: string): string => (path === "" ? name : `${path}.${name}`);
  if (hasSymbols(value)) {
    const symbol = Object.getOwnPropertySymbols(value).find((name) => Object.prototype.propertyIsEnumerable.call(value, name));
    throw refuse(`has a field named by ${String(symbol)}; names of fields are texts`);
  }
  if (Array.isArray(value) || isMap) {
    const [extra] = extraFields(value);
    const remedy = Array.isArray(value) ? "store [...array], or an object of both" : "set it as an entry, or store an object of both";
    if (extra !== undefined) throw refuse(`has the field ${JSON.stringify(extra)} beside its ${isMap ? "entries" : "elements"}; ${remedy}`);
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) judged(value[i], below(String(i)), above);
  } else if (value instanceof Tagged) {
    judged(value.value, below("value"), above);
  } else if (isMap) {
    const seen = new Set<string>();
    for (const [key, item] of value) {
      const good = typeof key === "string" || typeof key === "bigint" || (typeof key === "number" && Number.isSafeInteger(key));
      if (!good) throw refuse(`has the key ${kindOf(key)}; keys of a Map are texts and integers`, code.INVALID_KEY);
      judged(key, below(String(key)), above);
      if (item === undefined) continue;
      const name = typeof key === "string" ? `"${key}"` : String(key);
      if (seen.has(name)) throw refuse(`has the key ${name} twice, as a number and as a bigint`, code.DUPLICATE_KEY);
      seen.add(name);
      judged(item, below(String(key)), above);
    }
  } else {
    for (const [name, item] of Object.entries(value)) {
      if (!name.isWellFormed()) throw refuse("has a key that holds half of a surrogate pair", code.INVALID_UTF8);
      if (item !== undefined) judged(item, below(name), above);
    }
  }
  above.delete(value);
}

function isKnownView(value: ArrayBufferView): boolean {
  return types.isUint8Array(value) || types.isUint8ClampedArray(value) || types.isFloat32Array(value) ||
    types.isFloat64Array(value) || types.isInt8Array(value);
}
