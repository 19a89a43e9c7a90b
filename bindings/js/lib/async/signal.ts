/**
 * Signals: the one among the options of a call, and those that the package makes itself.
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

/** @internal A signal that the package aborts. */
export class OwnSignal implements Signal {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  abort(reason?: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
  }

  addEventListener(_: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }
}
