/**
 * A time limit for calls.
 *
 * Always: it counts for what the function does, and for nothing after it. Does not know: what that is.
 */
import { isPromised, kindOf, milliseconds, refused, synchronous } from "./argument";
import { call, raw } from "./raw";

/**
 * Runs a function whose calls must be done in time, and gives what it gave. A call that is not done when the milliseconds are over
 * throws, at most 10 ms of work or waiting later, and has changed nothing. Calls that are done before they look are done. Deadlines
 * may be nested; the nearest counts.
 *
 * ```ts
 * const found = deadline(50, () => notes.find(f.text.contains("needle")).toArray());
 * ```
 *
 * @throws DeadlineExceededError; what the function throws; UsageError when it gives a promise or is a generator, since what
 * runs after an `await` or a `yield` is no longer inside.
 */
export function deadline<R>(timeoutMs: number, run: () => R): R {
  if (typeof run !== "function") throw refused("deadline takes milliseconds and a function");
  synchronous("deadline", run);
  const time = milliseconds(timeoutMs, "the time of a deadline");
  call(() => raw.deadlineEnter(time));
  let given: R;
  try {
    given = run();
  } finally {
    raw.deadlineLeave();
  }
  if (isPromised(given)) {
    throw refused(`the function of a deadline gave a promise (${kindOf(given)}); only what it does before the first await is inside`);
  }
  return given;
}
