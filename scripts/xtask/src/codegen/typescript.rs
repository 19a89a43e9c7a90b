//! Writes the error classes of the Node package.
//!
//! Always: one class per family, one below it per code that has its own, all below `EntidbError`; a number of
//! a newer library gets the class of its family.
//! Does not know: how the native module reports; the façade calls `errorFrom`.

use std::fmt::Write;

use super::BANNER;
use super::api::spelt;
use super::rust::capital;
use super::table::Table;

/// The text of `bindings/js/lib/errors.g.ts`.
pub(crate) fn render(table: &Table) -> String {
    let mut out = format!("// {BANNER}\n{HEAD}");
    let _ = write!(out, "\n/** The name of every code. */\nexport type ErrorCode =\n");
    for code in &table.codes {
        let _ = writeln!(out, "  | \"{}\"", code.name);
    }
    out.push_str("  | `UNKNOWN_${number}`;\n");
    out.push_str(BASE);
    for family in &table.families {
        let _ = write!(
            out,
            "\n/** {}. */\nexport class {class}Error extends EntidbError {{\n  static {{ named(this, \"{class}Error\"); }}\n}}\n",
            capital(&family.meaning),
            class = family.class
        );
        for code in table.codes.iter().filter(|code| code.number / 100 == family.number) {
            let Some(class) = code.own_class() else {
                continue;
            };
            let _ = write!(
                out,
                "\n/** {}; {}. */\nexport class {class}Error extends {}Error {{\n  static {{ named(this, \"{class}Error\"); }}\n}}\n",
                spelt(&capital(&code.meaning)),
                spelt(&code.action),
                family.class
            );
        }
    }
    out.push_str("\nconst rows: ReadonlyMap<number, Row> = new Map<number, Row>([\n");
    for code in &table.codes {
        let family = table.families.iter().find(|family| family.number == code.number / 100);
        let class = code.own_class().or_else(|| family.map(|family| family.class.clone())).unwrap_or_default();
        let _ = writeln!(
            out,
            "  [{}, [{class}Error, \"{}\", \"{}\", \"{}\"]],",
            code.number,
            code.name,
            spelt(&code.action),
            code.retry.word()
        );
    }
    out.push_str("]);\n\nconst families: ReadonlyMap<number, readonly [ErrorClass, ErrorFamily, ErrorGroup]> = new Map<\n  number,\n  readonly [ErrorClass, ErrorFamily, ErrorGroup]\n>([\n");
    for family in &table.families {
        let _ =
            writeln!(out, "  [{}, [{}Error, \"{}\", \"{}\"]],", family.number, family.class, family.name, family.group);
    }
    out.push_str("]);\n");
    out.push_str(TAIL);
    let named: Vec<String> = table.families.iter().map(|family| format!("\"{}\"", family.name)).collect();
    let mut groups: Vec<String> = Vec::new();
    for family in &table.families {
        let group = format!("\"{}\"", family.group);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    out.replace("@FAMILIES@", &named.join(" | ")).replace("@GROUPS@", &groups.join(" | "))
}

/// The text of `bindings/node/lib/codes.g.ts`: numbers for refusals the package makes by itself.
pub(crate) fn render_codes(table: &Table) -> String {
    let mut out = format!("// {BANNER}\n\n/** The number of every code. */\nexport const code = {{\n");
    for code in &table.codes {
        let _ = writeln!(out, "  {}: {},", code.name, code.number);
    }
    out.push_str("} as const;\n");
    out
}

const HEAD: &str = r#"//
// The errors of EntiDB: one class per family, and one per code that programs tell apart.
// `error.code` is the name of the code, the same in every language, and `error.number` its number.

/** Whether the same call can succeed later. */
export type Retry = "never" | "now" | "after_reopen" | "after_space";

/** The hundreds of the number, in words. */
export type ErrorFamily = @FAMILIES@ | "unknown";

/** The coarse kind of trouble. */
export type ErrorGroup = @GROUPS@;

/** Where it happened: path, collection, id, index, offset, as far as they are known. */
export type ErrorContext = Readonly<Record<string, unknown>>;
"#;

const BASE: &str = r#"
interface Facts {
  readonly number: number;
  readonly code: ErrorCode;
  readonly family: ErrorFamily;
  readonly group: ErrorGroup;
  readonly hint: string;
  readonly retry: Retry;
}

type ErrorClass = new (message: string, facts: Facts, context: ErrorContext) => EntidbError;
type Row = readonly [ErrorClass, ErrorCode, string, Retry];

// The name is set on the prototype, so that a minifier that renames classes cannot change what users see.
function named(kind: { prototype: object }, name: string): void {
  Object.defineProperty(kind.prototype, "name", { value: name, configurable: true, writable: true });
}

/** Base of every error EntiDB throws. */
export class EntidbError extends Error {
  static { named(this, "EntidbError"); }
  readonly number: number;
  readonly code: ErrorCode;
  readonly family: ErrorFamily;
  readonly group: ErrorGroup;
  readonly hint: string;
  readonly retry: Retry;
  readonly context: ErrorContext;

  /** @internal Use `errorFrom`. */
  constructor(message: string, facts: Facts, context: ErrorContext = {}) {
    super(message);
    this.number = facts.number;
    this.code = facts.code;
    this.family = facts.family;
    this.group = facts.group;
    this.hint = facts.hint;
    this.retry = facts.retry;
    this.context = context;
  }

  /** The path of the database or file. */
  get path(): string | undefined { return text(this.context["path"]); }

  /** The field of the document that cannot be stored, as a dotted path. */
  get field(): string | undefined { return text(this.context["field"]); }

  /** The collection. */
  get collection(): string | undefined { return text(this.context["collection"]); }

  /** The id of the entity. */
  get id(): string | undefined { return text(this.context["id"]); }

  /** The index. */
  get index(): string | undefined { return text(this.context["index"]); }

  /** The offset of the byte in the file or document. */
  get offset(): number | undefined { return count(this.context["offset"]); }

  /** The number the operating system gave. */
  get osCode(): number | undefined { return count(this.context["osCode"]); }
}

function text(value: unknown): string | undefined { return typeof value === "string" ? value : undefined; }

function count(value: unknown): number | undefined { return typeof value === "number" ? value : undefined; }
"#;

const TAIL: &str = r#"
/**
 * Makes the error for a status of the library.
 *
 * A number of a newer library than this package gets the class of its family.
 */
export function errorFrom(number: number, message: string, context: ErrorContext = {}): EntidbError {
  const [familyClass, family, group] = families.get(Math.floor(number / 100)) ?? [EntidbError, "unknown" as const, "INTERNAL" as const];
  const row = rows.get(number);
  if (row === undefined) {
    return new familyClass(message, { number, code: `UNKNOWN_${number}`, family, group, hint: "", retry: "never" }, context);
  }
  const [kind, code, hint, retry] = row;
  return new kind(message, { number, code, family, group, hint, retry }, context);
}
"#;

#[cfg(test)]
mod tests {
    use super::super::table::tests::SAMPLE;
    use super::*;

    #[test]
    fn a_code_with_its_own_class_stands_below_its_family() {
        let text = render(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("export class StateError extends EntidbError"), "{text}");
        assert!(text.contains("export class DatabaseLockedError extends StateError"), "{text}");
        assert!(text.contains("[202, [StateError, \"BUSY\""), "{text}");
        let codes = render_codes(&Table::parse(SAMPLE).unwrap());
        assert!(codes.contains("DATABASE_LOCKED: 201,"), "{codes}");
        assert!(!text.contains('@'.to_string().as_str()) || text.contains("@internal"), "{text}");
    }
}
