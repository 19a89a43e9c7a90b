/**
 * `Symbol.dispose` and `Symbol.asyncDispose`, where the host does not have it yet.
 *
 * Always: loaded before any class that uses it, so that `using` and `await using` work wherever TypeScript compiles it; declared too, as `@types/node`
 * does it, so that the types compile without the library `esnext.disposable`, and so is the type of web streams. Does not know: classes.
 */
declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }

  // Merges with the type of the host, and stands for it where the program has none.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any, @typescript-eslint/no-unused-vars
  interface ReadableStream<R = any> {}
}

const symbols = Symbol as unknown as { dispose?: symbol; asyncDispose?: symbol };
if (symbols.dispose === undefined) {
  Object.defineProperty(Symbol, "dispose", { value: Symbol("Symbol.dispose") });
}
if (symbols.asyncDispose === undefined) {
  Object.defineProperty(Symbol, "asyncDispose", { value: Symbol("Symbol.asyncDispose") });
}

export {};
