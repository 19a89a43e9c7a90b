/**
 * Options by the names JavaScript gives them.
 *
 * Always: the library knows the options; here only the spelling changes. Does not know: their meaning.
 */
import { kindOf, nearest, refused } from "./argument";
import { errorFrom } from "./errors.g";
import type { Durability } from "./transaction";

/** How a database is opened. What is not given keeps its default. */
export interface Options {
  /** Creates the database when there is none. Default true. */
  create?: boolean;
  /** Fails when there is one already. */
  createNew?: boolean;
  /** Makes the folders above it too, where the database is made. */
  createParents?: boolean;
  /** Opens it for reading. */
  readOnly?: boolean;
  /** The key of an encrypted database: 32 bytes. */
  key?: Uint8Array;
  /** The password of an encrypted database. */
  password?: string | Uint8Array;
  /** What a commit promises when it returns. Default "durable". */
  durability?: Durability;
  /** How long a grouped commit may take to reach stable storage. */
  groupedIntervalMs?: number;
  /** Memory for all it keeps: cache and newest writes. */
  memoryBytes?: number;
  /** Memory for the newest writes, before they go into a segment. */
  memtableBytes?: number;
  /** Data files that may be open at once, at least 4; 0 for a quarter of what the process may have. */
  openFilesMax?: number;
  /** The most bytes of a document. */
  entityBytesMax?: number;
  /** The most bytes of a transaction. */
  transactionBytesMax?: number;
  /** How long a write waits for another transaction. */
  lockTimeoutMs?: number;
  /** How many commits the change feed keeps; 0 for none. */
  feedCommitsMax?: number;
  /** Whether a query may look at every entity. */
  scanPolicy?: "allow" | "forbid" | "forbid_unbounded";
  /** Memory for sorting answers that no index gives in order. */
  sortBytesMax?: number;
  /** How much of a large index one step of building it writes. */
  indexBuildBytes?: number;
  /** Shows the key in the message of a unique violation. Default false: no message shows what documents hold. */
  showUniqueKeys?: boolean;
  /** Memory to make a key of a password. */
  passwordMemoryKib?: number;
}

const NAMES = [
  "create", "createNew", "createParents", "readOnly", "key", "password", "durability", "groupedIntervalMs", "memoryBytes", "memtableBytes",
  "openFilesMax", "entityBytesMax", "transactionBytesMax", "lockTimeoutMs", "feedCommitsMax", "scanPolicy", "sortBytesMax",
  "indexBuildBytes", "showUniqueKeys", "passwordMemoryKib",
];

/** @internal The options by the names of the library. */
export function optionsOf(options: unknown): Record<string, unknown> {
  if (options === undefined) return {};
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    throw refused(`options are an object, not ${kindOf(options)}`);
  }
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!NAMES.includes(name)) {
      throw errorFrom(103, `there is no option ${JSON.stringify(name)}; did you mean ${nearest(camel(name), NAMES)}?`);
    }
    named[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  return named;
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
