/**
 * Values that JavaScript has no type for.
 *
 * Always: immutable; text and back without loss. Does not know: how they are encoded.
 */
import { kindOf, refused } from "./argument";
import { notCloneable } from "./clone";
import { inspect } from "./host";
import { type Id, type IdLike, idFromBytes, idToBytes } from "./id";

const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;

/**
 * What the values below have in common. A structured clone (`structuredClone`, `postMessage`) makes plain objects of instances of
 * classes: a `Uuid` would arrive as a map. So it fails for them, by a field that cannot be cloned and says why.
 */
abstract class Value {
  /** What has the same fields is not the same: `protected` makes TypeScript go by the class. */
  protected declare readonly ofEntidb: true;
  /** @internal */
  protected readonly notCloneable: symbol;

  constructor(refusal: symbol) {
    this.notCloneable = refusal;
  }

  /** @internal */
  [inspect.custom](depth: number, options: object, show: typeof inspect): string {
    return `${this.constructor.name}(${this.shown((part) => show(part, { ...options, depth }))})`;
  }

  /** @internal What `inspect` shows between the parentheses. */
  protected abstract shown(show: (part: unknown) => string): string;
}

/** @internal Whether it is one of the values below. */
export function isValue(value: object): boolean {
  return value instanceof Value;
}

function refusal(name: string): symbol {
  return notCloneable(name, "send cbor.encode(value), and cbor.decode it there");
}

const TIMESTAMP = refusal("Timestamp");
const DECIMAL = refusal("Decimal");
const UUID = refusal("Uuid");
const ENTITY_ID = refusal("EntityId");
const FLOAT = refusal("Float");
const VECTOR = refusal("Vector");
const TAGGED = refusal("Tagged");

/** A moment in microseconds. `Date` keeps milliseconds; a moment with finer digits is read as a `Timestamp`. */
export class Timestamp extends Value {
  /** Microseconds since 1970-01-01T00:00:00 UTC. */
  readonly micros: bigint;

  constructor(micros: bigint | number) {
    super(TIMESTAMP);
    this.micros = integer(micros, "the microseconds of a timestamp");
    if (this.micros < I64_MIN || this.micros > I64_MAX) throw refused("a timestamp has microseconds of 64 bits");
    Object.freeze(this);
  }

  /** @internal */
  protected override shown(): string {
    return this.toString();
  }

  /** The moment of a date. */
  static from(date: Date): Timestamp {
    if (Number.isNaN(date.getTime())) throw refused("an invalid date is no moment");
    return new Timestamp(BigInt(date.getTime()) * 1000n);
  }

  /** This moment. */
  static now(): Timestamp {
    return new Timestamp(BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000)));
  }

  /** The date, without what is finer than milliseconds. */
  toDate(): Date {
    return new Date(Number(this.micros / 1000n - (this.micros % 1000n < 0n ? 1n : 0n)));
  }

  /** As ISO 8601 with six digits of a second. */
  override toString(): string {
    const rest = ((this.micros % 1000n) + 1000n) % 1000n;
    const date = this.toDate();
    if (Number.isNaN(date.getTime())) return `${this.micros}µs`;
    return date.toISOString().replace("Z", `${rest.toString().padStart(3, "0")}Z`);
  }

  toJSON(): string {
    return this.toString();
  }
}

/** An exact decimal number: `mantissa` × 10^`exponent`. Trailing zeros are kept: 1.0 and 1.00 differ. */
export class Decimal extends Value {
  readonly mantissa: bigint;
  readonly exponent: bigint;

  constructor(mantissa: bigint | number, exponent: bigint | number) {
    super(DECIMAL);
    this.mantissa = integer(mantissa, "the mantissa of a decimal");
    this.exponent = integer(exponent, "the exponent of a decimal");
    if (this.mantissa < -(2n ** 127n) || this.mantissa >= 2n ** 127n) throw refused("the mantissa of a decimal has at most 128 bits");
    if (this.exponent < -(10n ** 18n) || this.exponent > 10n ** 18n) throw refused("the exponent of a decimal is within ±10^18");
    Object.freeze(this);
  }

  /** @internal */
  protected override shown(): string {
    return this.toString();
  }

  /** The decimal written in a text such as `"19.90"`. */
  static parse(text: string): Decimal {
    const parts = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
    if (parts === null) throw refused(`${JSON.stringify(text)} is no decimal number`);
    const [, sign, before, after = "", power = "0"] = parts;
    const mantissa = BigInt(before! + after) * (sign === "-" ? -1n : 1n);
    return new Decimal(mantissa, BigInt(power) - BigInt(after.length));
  }

  override toString(): string {
    const digits = (this.mantissa < 0n ? -this.mantissa : this.mantissa).toString();
    const sign = this.mantissa < 0n ? "-" : "";
    if (this.exponent > 0n || this.exponent < -64n) return `${sign}${digits}e${this.exponent}`;
    const places = Number(-this.exponent);
    if (places === 0) return sign + digits;
    const padded = digits.padStart(places + 1, "0");
    return `${sign}${padded.slice(0, -places)}.${padded.slice(-places)}`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** The nearest number. */
  toNumber(): number {
    return Number(`${this.mantissa}e${this.exponent}`);
  }
}

abstract class Sixteen extends Value {
  /** The 16 bytes as text, as ids are written. */
  readonly text: string;

  constructor(refusal: symbol, value: IdLike) {
    super(refusal);
    this.text = idFromBytes(value);
    Object.freeze(this);
  }

  /** The 16 bytes. */
  get bytes(): Uint8Array {
    return idToBytes(this.text);
  }

  override toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }

  /** @internal */
  protected override shown(): string {
    return this.text;
  }
}

/** A UUID inside a document. */
export class Uuid extends Sixteen {
  readonly #brand = true;

  constructor(value: IdLike) {
    super(UUID, value);
  }

  /** Whether another stands for the same. */
  equals(other: Uuid): boolean {
    return this.#brand && other.text === this.text;
  }
}

/** The id of an entity inside a document, where it is to be stored as an id and not as text. */
export class EntityId extends Sixteen {
  readonly #brand = true;

  constructor(value: IdLike) {
    super(ENTITY_ID, value);
  }

  /** The id as collections take and give it. */
  get id(): Id {
    return this.text;
  }

  /** Whether another stands for the same. */
  equals(other: EntityId): boolean {
    return this.#brand && other.text === this.text;
  }
}

/**
 * A float that has no fraction. JavaScript has one type of number, and writes 1 as an integer; `new Float(1)` is written as
 * the float 1.0. Reading gives plain numbers, unless the collection was asked for `exact`.
 */
export class Float extends Value {
  readonly value: number;

  constructor(value: number) {
    super(FLOAT);
    if (typeof value !== "number") throw refused(`a float is made of a number, not ${kindOf(value)}`);
    this.value = value;
    Object.freeze(this);
  }

  /** @internal */
  protected override shown(): string {
    return Object.is(this.value, -0) ? "-0" : String(this.value);
  }

  override valueOf(): number {
    return this.value;
  }

  toJSON(): number {
    return this.value;
  }
}

/** The kinds of a vector's elements. */
export type VectorKind = "f16" | "f32" | "f64" | "i8";

/** @internal Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<VectorKind, number>> = { f16: 2, f32: 4, f64: 8, i8: 1 };

/**
 * A vector by its bytes. `Float32Array`, `Float64Array` and `Int8Array` are vectors by themselves; this is how a vector of
 * 16-bit floats is written and read.
 */
export class Vector extends Value {
  readonly kind: VectorKind;
  /** The elements, little-endian. */
  readonly bytes: Uint8Array;

  constructor(kind: VectorKind, bytes: Uint8Array) {
    super(VECTOR);
    const size = ELEMENT_BYTES[kind];
    if (size === undefined) throw refused(`a vector is of f16, f32, f64 or i8, not ${String(kind)}`);
    if (bytes.length % size !== 0) throw refused(`a vector of ${kind} has whole elements of ${size} bytes, not ${bytes.length} bytes`);
    this.kind = kind;
    this.bytes = bytes;
    Object.freeze(this);
  }

  /** @internal */
  protected override shown(show: (part: unknown) => string): string {
    return `${this.kind}, ${show(this.toArray())}`;
  }

  /** How many elements it has. */
  get length(): number {
    return this.bytes.length / ELEMENT_BYTES[this.kind];
  }

  /** The elements as numbers. */
  toArray(): number[] {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    const size = ELEMENT_BYTES[this.kind];
    return Array.from({ length: this.length }, (_, i) => {
      if (this.kind === "f16") return halfToNumber(view.getUint16(i * size, true));
      if (this.kind === "f32") return view.getFloat32(i * size, true);
      if (this.kind === "f64") return view.getFloat64(i * size, true);
      return view.getInt8(i * size);
    });
  }
}

/** A value under a CBOR tag that EntiDB gives no meaning; it is carried through unchanged. */
export class Tagged extends Value {
  readonly tag: bigint;
  readonly value: unknown;

  constructor(tag: bigint | number, value: unknown) {
    super(TAGGED);
    this.tag = integer(tag, "a tag");
    if (this.tag < 0n || this.tag >= 2n ** 64n) throw refused("a tag is a number of at most 64 bits");
    this.value = value;
    Object.freeze(this);
  }

  /** @internal */
  protected override shown(show: (part: unknown) => string): string {
    return `${this.tag}, ${show(this.value)}`;
  }
}

/** @internal The number in 16 bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function integer(value: bigint | number, what: string): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw refused(`${what} is a whole number, not ${kindOf(value)}`);
  return BigInt(value);
}
