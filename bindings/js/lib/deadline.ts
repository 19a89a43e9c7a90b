/**
 * A time limit for calls.
 *
 * Always: it counts for what the function does, and for nothing after it. Does not know: what that is.
 */
import { isPromised, kindOf, milliseconds, refused, synchronous } from "./argument";
import { call, raw } from "./raw";

/**
 * Runs a function with a deadline for its calls, and returns its result. A call that has not finished at the deadline throws within 10
 * ms, and has changed nothing; a call that finishes earlier succeeds. Deadlines may be nested; the earliest applies.
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
    throw refused(`the function of a deadline returned a promise (${kindOf(given)}); the deadline ends at its first await`);
  }
  return given;
}
