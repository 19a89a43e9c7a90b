/**
 * Keys and passwords as JavaScript gives them.
 *
 * Always: one of the two, and nothing of it in an error. Does not know: what it opens.
 */
import { kindOf, only, refused, text } from "./argument";

/** What opens an encrypted database: a key of 32 bytes, or a password. */
export type Key = { key: Uint8Array; password?: undefined } | { password: string | Uint8Array; key?: undefined };

/** @internal The bytes, and whether they are a password. */
export function keyOf(given: Key, what: string): [bytes: Uint8Array, isPassword: boolean] {
  if (given === null || typeof given !== "object") throw refused(`${what} is an object with key or password, not ${kindOf(given)}`);
  only(given, ["key", "password"], what);
  const { key, password } = given;
  if ((key === undefined) === (password === undefined)) throw refused(`${what} has key or password, one of them`);
  if (password?.length === 0) throw refused(`${what} has an empty password; give one that is not empty`);
  if (key !== undefined) {
    if (!(key instanceof Uint8Array)) throw refused(`${what} takes 32 bytes as its key, not ${kindOf(key)}`);
    return [key, false];
  }
  if (typeof password === "string") return [Buffer.from(text(password, "a password")), true];
  if (!(password instanceof Uint8Array)) throw refused(`${what} takes text or bytes as its password, not ${kindOf(password)}`);
  return [password, true];
}
