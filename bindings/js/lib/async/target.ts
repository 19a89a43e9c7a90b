/**
 * What requests are asked of, and where they wait for their turn.
 *
 * Always: a call that could only wait for the transaction it is in is refused at once. Does not know: requests.
 */
import { code } from "../codes.g";
import { type EntidbError, errorFrom } from "../errors.g";
import { context } from "../host";
import type { Handle } from "../raw";
import type { Scope } from "../scope";
import { Lane, type Operation, type Read, type Requests, type Signal, request } from "./requests";

/** @internal Refuses what would wait for the transaction whose function calls it. */
export function deadlock(scope: Scope): EntidbError | undefined {
  const within = context.getStore() as Scope | undefined;
  if (within === undefined || within.isOver || within.database !== scope.database) return undefined;
  return errorFrom(
    code.DEADLOCK,
    "this call would wait for the write transaction in whose function it is; use a collection of that transaction, or await it after the transaction",
  );
}

/** @internal A database, snapshot or transaction. */
export class Target {
  readonly scope: Scope;
  /** Keeps what was opened alive. */
  readonly owner: object;
  /** Whether it is a write transaction. */
  readonly isTransaction: boolean;

  constructor(scope: Scope, owner: object, isTransaction: boolean) {
    this.scope = scope;
    this.owner = owner;
    this.isTransaction = isTransaction;
  }

  /** Asks something of the scope itself. */
  ask<T>(operation: Operation, lane: Lane, signal: Signal | undefined, write: ((to: Requests) => void) | undefined, read: Read<T>): Promise<T> {
    return this.of(operation, lane, () => this.scope.live, undefined, signal, write, read);
  }

  /** Asks something of what was taken from it. */
  of<T>(
    operation: Operation,
    lane: Lane,
    handle: () => Handle,
    collection: string | undefined,
    signal: Signal | undefined,
    write: ((to: Requests) => void) | undefined,
    read: Read<T>,
  ): Promise<T> {
    try {
      const live = handle();
      const own = this.isTransaction ? Lane.Transaction : lane;
      if (own === Lane.Write || (operation.locks && !this.isTransaction)) {
        const refusal = deadlock(this.scope);
        if (refusal !== undefined) throw refusal;
      }
      return request(operation, own, live, collection, this.owner, signal, write, read);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }
}
