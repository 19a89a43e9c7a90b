/**
 * Ids: 16 bytes, written as a UUID in lower case.
 *
 * Always: one id has one text, so that `===` compares ids. Does not know: how ids are made; the library makes them.
 */
import { kindOf, refused } from "./native";

/** The id of an entity: a UUID in lower case, such as `"0190f3c2-7a51-7c3e-8f60-2b8d1c9e4a77"`. */
export type Id = string;

/** What is accepted as an id: its text, with or without hyphens, or its 16 bytes. */
export type IdLike = Id | Uint8Array;

const PAIRS: string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const DIGITS = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  DIGITS[digit.toString(16).charCodeAt(0)] = digit;
  DIGITS[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** @internal The text of the 16 bytes at a place. */
export function idAt(bytes: Uint8Array, at: number): Id {
  const b = bytes;
  return (
    PAIRS[b[at]!]! + PAIRS[b[at + 1]!]! + PAIRS[b[at + 2]!]! + PAIRS[b[at + 3]!]! + "-" +
    PAIRS[b[at + 4]!]! + PAIRS[b[at + 5]!]! + "-" + PAIRS[b[at + 6]!]! + PAIRS[b[at + 7]!]! + "-" +
    PAIRS[b[at + 8]!]! + PAIRS[b[at + 9]!]! + "-" + PAIRS[b[at + 10]!]! + PAIRS[b[at + 11]!]! +
    PAIRS[b[at + 12]!]! + PAIRS[b[at + 13]!]! + PAIRS[b[at + 14]!]! + PAIRS[b[at + 15]!]!
  );
}

/** @internal Writes the 16 bytes of an id to a place. */
export function writeId(id: IdLike, out: Uint8Array, at: number): void {
  if (typeof id !== "string") {
    if (!(id instanceof Uint8Array)) throw refused(`an id is text or 16 bytes, not ${kindOf(id)}`);
    if (id.length !== 16) throw refused(`an id has 16 bytes, this one has ${id.length}`);
    out.set(id, at);
    return;
  }
  const hyphens = id.length === 36;
  if (!hyphens && id.length !== 32) throw unreadable(id);
  let from = 0;
  for (let byte = 0; byte < 16; byte++) {
    if (hyphens && (byte === 4 || byte === 6 || byte === 8 || byte === 10)) {
      if (id.charCodeAt(from) !== 45) throw unreadable(id);
      from += 1;
    }
    const high = DIGITS[id.charCodeAt(from)] ?? -1;
    const low = DIGITS[id.charCodeAt(from + 1)] ?? -1;
    if (high < 0 || low < 0) throw unreadable(id);
    out[at + byte] = high * 16 + low;
    from += 2;
  }
}

function unreadable(id: string): Error {
  const shown = JSON.stringify(id.length > 48 ? `${id.slice(0, 48)}…` : id);
  return refused(`${shown} is no id; an id is 32 hexadecimal digits, with or without the hyphens of a UUID`);
}

/** The 16 bytes of an id. */
export function idToBytes(id: IdLike): Uint8Array {
  const bytes = new Uint8Array(16);
  writeId(id, bytes, 0);
  return bytes;
}

/** The text of an id, from its 16 bytes or from any accepted text. */
export function idFromBytes(bytes: IdLike): Id {
  return idAt(idToBytes(bytes), 0);
}

/** @internal Many ids, 16 bytes each. */
export function packIds(ids: Iterable<IdLike>): Uint8Array {
  if (typeof ids === "string" || typeof (ids as { [Symbol.iterator]?: unknown } | null)?.[Symbol.iterator] !== "function") {
    throw refused(`ids are an array or another iterable of ids, not ${kindOf(ids)}`);
  }
  const list = Array.isArray(ids) ? (ids as readonly IdLike[]) : [...ids];
  const packed = new Uint8Array(list.length * 16);
  list.forEach((id, position) => writeId(id, packed, position * 16));
  return packed;
}
