/**
 * `Symbol.dispose`, where the host does not have it yet.
 *
 * Always: loaded before any class that uses it, so that `using` works wherever TypeScript compiles it; declared too, as `@types/node`
 * does it, so that the types compile without the library `esnext.disposable`. Does not know: classes.
 */
declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

const symbols = Symbol as unknown as { dispose?: symbol };
if (symbols.dispose === undefined) {
  Object.defineProperty(Symbol, "dispose", { value: Symbol("Symbol.dispose") });
}

export {};
