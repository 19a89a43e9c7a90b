/**
 * `Symbol.dispose`, where the host does not have it yet.
 *
 * Always: loaded before any class that uses it, so that `using` works wherever TypeScript compiles it. Does not know: classes.
 */
const symbols = Symbol as unknown as { dispose?: symbol };
if (symbols.dispose === undefined) {
  Object.defineProperty(Symbol, "dispose", { value: Symbol("Symbol.dispose") });
}

export {};
