/**
 * Ids: 16 bytes, written as a UUID in lower case.
 *
 * Always: one id has one text, so that `===` compares ids. Does not know: how ids are made; the library makes them.
 */
import { kindOf, refused } from "./argument";

/** The id of an entity: a UUID in lower case, such as `"0190f3c2-7a51-7c3e-8f60-2b8d1c9e4a77"`. */
export type Id = string;

/** What is accepted as an id: its text, with or without hyphens, or its 16 bytes. */
export type IdLike = Id | Uint8Array;

/** Two letters for each byte. */
const LETTERS = Uint8Array.from(
  Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0")).join(""),
  (letter) => letter.charCodeAt(0),
);

const NO_DIGIT = 0x8000;
const CAPITAL = 0x100;
const DIGITS = new Uint16Array(128).fill(NO_DIGIT);
for (let digit = 0; digit < 16; digit++) {
  DIGITS[digit.toString(16).toUpperCase().charCodeAt(0)] = digit | CAPITAL;
  DIGITS[digit.toString(16).charCodeAt(0)] = digit;
}

/** @internal The text of an id from its bytes as four numbers; one call makes a flat text, and is the fastest (115 ns). */
export function idOfWords(a: number, b: number, c: number, d: number): Id {
  const l = LETTERS;
  const i = (a >>> 23) & 510;
  const j = (a >>> 15) & 510;
  const k = (a >>> 7) & 510;
  const m = (a << 1) & 510;
  const n = (b >>> 23) & 510;
  const o = (b >>> 15) & 510;
  const p = (b >>> 7) & 510;
  const q = (b << 1) & 510;
  const r = (c >>> 23) & 510;
  const s = (c >>> 15) & 510;
  const t = (c >>> 7) & 510;
  const u = (c << 1) & 510;
  const v = (d >>> 23) & 510;
  const w = (d >>> 15) & 510;
  const x = (d >>> 7) & 510;
  const y = (d << 1) & 510;
  return String.fromCharCode(
    l[i]!, l[i + 1]!, l[j]!, l[j + 1]!, l[k]!, l[k + 1]!, l[m]!, l[m + 1]!, 45, l[n]!, l[n + 1]!, l[o]!, l[o + 1]!, 45,
    l[p]!, l[p + 1]!, l[q]!, l[q + 1]!, 45, l[r]!, l[r + 1]!, l[s]!, l[s + 1]!, 45, l[t]!, l[t + 1]!, l[u]!, l[u + 1]!,
    l[v]!, l[v + 1]!, l[w]!, l[w + 1]!, l[x]!, l[x + 1]!, l[y]!, l[y + 1]!,
  );
}

/** @internal Four bytes as one number, which a small integer of V8 can hold. */
export function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** @internal The text of the 16 bytes at a place. */
export function idAt(bytes: Uint8Array, at: number): Id {
  return idOfWords(word(bytes, at), word(bytes, at + 4), word(bytes, at + 8), word(bytes, at + 12));
}

/** @internal Writes the 16 bytes of an id to a place. True when it was given as the text that all ids are told as. */
export function writeId(id: IdLike, out: Uint8Array, at: number): boolean {
  if (typeof id !== "string") {
    if (!(id instanceof Uint8Array)) throw refused(`an id is text or 16 bytes, not ${kindOf(id)}`);
    if (id.length !== 16) throw refused(`an id has 16 bytes, this one has ${id.length}`);
    for (let i = 0; i < 16; i++) out[at + i] = id[i]!;
    return false;
  }
  const hyphens = id.length === 36;
  if (!hyphens && id.length !== 32) throw unreadable(id);
  // What was seen of letters that are no digits, of capitals, and of letters beyond ASCII.
  let digits = 0;
  let letters = 0;
  let from = 0;
  for (let byte = 0; byte < 16; byte++) {
    if (hyphens && (byte === 4 || byte === 6 || byte === 8 || byte === 10)) {
      if (id.charCodeAt(from) !== 45) throw unreadable(id);
      from += 1;
    }
    const first = id.charCodeAt(from);
    const second = id.charCodeAt(from + 1);
    const high = DIGITS[first & 127]!;
    const low = DIGITS[second & 127]!;
    digits |= high | low;
    letters |= first | second;
    out[at + byte] = (high << 4) | (low & 15);
    from += 2;
  }
  if (letters >= 128 || digits >= NO_DIGIT) throw unreadable(id);
  return hyphens && digits < CAPITAL;
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
