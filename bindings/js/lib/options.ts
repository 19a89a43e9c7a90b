/**
 * Options by the names JavaScript gives them.
 *
 * Always: the library knows the options; here only the spelling changes. Does not know: their meaning.
 */
import { kindOf, nearest, refused } from "./argument";
import { code } from "./codes.g";
import { errorFrom } from "./errors.g";
import { OPTION_NAMES } from "./interface.g";

/** @internal The options by the names of the library. */
export function optionsOf(options: unknown): Record<string, unknown> {
  if (options === undefined) return {};
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    throw refused(`options are an object, not ${kindOf(options)}`);
  }
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTION_NAMES, name)) {
      const right = nearest(camel(name), Object.keys(OPTION_NAMES));
      throw errorFrom(code.UNKNOWN_OPTION, `there is no option ${JSON.stringify(name)}; did you mean ${right}?`);
    }
    named[OPTION_NAMES[name as keyof typeof OPTION_NAMES]] = value;
  }
  return named;
}

const SPELLINGS = new Map(Object.entries(OPTION_NAMES).map(([ours, theirs]) => [theirs as string, ours]));
/** An option where a message speaks of it; a name between quotes is one that the user gave. */
const SPOKEN = new RegExp(`(?<![\\w"'./])(?:${[...SPELLINGS.keys()].filter((name) => name.includes("_")).join("|")})(?![\\w"'/])`, "g");

/** @internal A message of the library with its options as JavaScript spells them. */
export function spelt(message: string): string {
  return message.includes("_") ? message.replace(SPOKEN, (name) => SPELLINGS.get(name) ?? name) : message;
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** @internal A map of the library with its names as JavaScript spells them. */
export function camelKeys(map: unknown): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(map as object)) named[camel(name)] = value;
  return named;
}
