/**
 * The signal among the options of a call.
 *
 * Always: something else under its name is refused. Does not know: what it ends.
 */
import { kindOf, refused } from "../argument";
import type { CallOptions, Signal } from "./requests";

/** @internal The signal that was given. */
export function signalOf(options: CallOptions | undefined): Signal | undefined {
  const signal = options?.signal;
  if (signal === undefined) return undefined;
  if (typeof signal !== "object" || signal === null || typeof signal.aborted !== "boolean" || typeof signal.addEventListener !== "function") {
    throw refused(`signal is an AbortSignal, not ${kindOf(signal)}`);
  }
  return signal;
}
