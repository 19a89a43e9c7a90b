//! The words of the command line.
//!
//! Always: what cannot be undone asks for `--yes` when nobody can be asked. Does not know: what the words do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Look into, check, change, back up and try out EntiDB databases.
///
/// Exit codes: 0 done, an empty answer among it; 1 the answer is no (what was named is not there, problems found, nothing
/// done); 2 the command line or an argument is
/// wrong, a path that is no database among it; 3 the database is not in a state for it (locked, read-only, closed);
/// 4 the disk or the system failed; 5 the data is damaged, foreign, too new or needs another key; 6 the change is refused
/// because of what is there (a unique index, a name that is taken); 7 anything else.
#[derive(Debug, Parser)]
#[command(name = "entidb", version, verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which database, and how to open it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The folder of the database.
    pub(crate) path: PathBuf,
    /// Read the password of an encrypted database from this environment variable.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) password_env: Option<String>,
    /// Read the 32-byte key of an encrypted database from this file, as 64 hexadecimal digits.
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Whether what is not there yet is made.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Making {
    /// Make the database, and collections, that are not there yet.
    #[arg(long)]
    pub(crate) create: bool,
    /// Make the folders above the database too.
    #[arg(long, requires = "create")]
    pub(crate) parents: bool,
}

/// Which entities of a collection.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// A condition: field, operator, value. Operators: eq ne lt le gt ge in contains starts-with between exists is-null.
    /// Values are JSON (text needs no quotes when it cannot be read as JSON); `in` and `between` take an array; `exists`
    /// and `is-null` take true or false. All conditions must hold.
    #[arg(long = "where", num_args = 3, value_names = ["FIELD", "OPERATOR", "VALUE"], allow_hyphen_values = true)]
    pub(crate) conditions: Vec<String>,
    /// Order by a field; `-field` for descending. Repeat for more.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    pub(crate) order_by: Vec<String>,
    /// At most so many.
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    /// Leaving out so many at the start.
    #[arg(long, default_value_t = 0)]
    pub(crate) offset: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what EntiDB does, on a database made for it and removed afterwards.
    Tour {
        /// Entities to write.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1000..=5_000_000))]
        entities: u64,
        /// Keep the folder, and say where it is.
        #[arg(long)]
        keep: bool,
        /// The part the tour kills in mid-write; for the tour's own use.
        #[arg(long, hide = true, value_name = "FOLDER")]
        child: Option<PathBuf>,
    },
    /// Show what a database is: versions, how it was opened, collections, indexes, sizes.
    Inspect {
        #[command(flatten)]
        target: Target,
    },
    /// Check a database; exit code 1 when something is wrong.
    Verify {
        #[command(flatten)]
        target: Target,
        /// Read every block and compare every index with its entities.
        #[arg(long)]
        full: bool,
    },
    /// Show counters and sizes.
    Stats {
        #[command(flatten)]
        target: Target,
    },
    /// List the collections and how many entities each has.
    Collections {
        #[command(flatten)]
        target: Target,
    },
    /// Write all entities as one JSON object a line.
    Dump {
        #[command(flatten)]
        target: Target,
        /// Only this collection. Repeat for more.
        #[arg(long, value_name = "NAME")]
        collection: Vec<String>,
        /// Write to this file instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Read entities from JSON lines, as `dump` writes them; loading twice changes nothing more.
    Load {
        #[command(flatten)]
        target: Target,
        /// The file; `-` for standard input.
        #[arg(default_value = "-")]
        input: PathBuf,
        /// Put lines that are plain documents into this collection, under new ids.
        #[arg(long, value_name = "NAME")]
        into: Option<String>,
        #[command(flatten)]
        making: Making,
    },
    /// Show one entity.
    Get {
        #[command(flatten)]
        target: Target,
        /// The collection.
        collection: String,
        /// The id.
        id: String,
    },
    /// Store a JSON document and print its id.
    Put {
        #[command(flatten)]
        target: Target,
        /// The collection.
        collection: String,
        /// The document; `-` for standard input.
        document: String,
        /// Store it under this id, in place of what is there.
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        making: Making,
    },
    /// Find entities.
    Find {
        #[command(flatten)]
        target: Target,
        /// The collection.
        collection: String,
        #[command(flatten)]
        selection: Selection,
        /// Only say how many.
        #[arg(long, conflicts_with_all = ["explain", "delete"])]
        count: bool,
        /// Only say how they would be found.
        #[arg(long, conflicts_with = "delete")]
        explain: bool,
        /// Remove them.
        #[arg(long)]
        delete: bool,
        /// Do not ask before removing.
        #[arg(long, requires = "delete")]
        yes: bool,
    },
    /// List, create or drop indexes.
    Index {
        #[command(subcommand)]
        action: IndexAction,
    },
    /// Change who can open an encrypted database, and under which key its data is.
    Key {
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Put the newest writes into segments and cut the log.
    Checkpoint {
        #[command(flatten)]
        target: Target,
    },
    /// Merge all segments and drop what nobody can see.
    Compact {
        #[command(flatten)]
        target: Target,
    },
    /// Copy a database that no other program has open into a new folder. A program that has it open makes the copy itself,
    /// with `backup`, while it goes on.
    Backup {
        #[command(flatten)]
        target: Target,
        /// The new folder.
        destination: PathBuf,
    },
}

/// The key or password that is to come.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NewKey {
    /// Read the new password from this environment variable.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) new_password_env: Option<String>,
    /// Read the new 32-byte key from this file, as 64 hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Replace the key or password that opens the database by a new one. No data is rewritten.
    Change {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        new: NewKey,
    },
    /// Add a key or password, at most eight in all.
    Add {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        new: NewKey,
    },
    /// Take the key or password that opens the database away; the last one stays.
    Remove {
        #[command(flatten)]
        target: Target,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Make a new data key for every file made from here on.
    Rotate {
        #[command(flatten)]
        target: Target,
    },
    /// Make a new data key, rewrite the whole database under it, and erase the older ones.
    Rekey {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IndexAction {
    /// List the indexes of a collection.
    List {
        #[command(flatten)]
        target: Target,
        /// The collection.
        collection: String,
    },
    /// Declare an index and build it.
    Create {
        #[command(flatten)]
        target: Target,
        /// The collection.
        collection: String,
        /// A field; `-field` for descending. Repeat for more, the most significant first.
        #[arg(long = "on", value_name = "FIELD", required = true, allow_hyphen_values = true)]
        fields: Vec<String>,
        /// Its name; by default the fields joined by commas.
        #[arg(long)]
        name: Option<String>,
        /// Refuse duplicates.
        #[arg(long)]
        unique: bool,
        /// One row for each element of an array.
        #[arg(long)]
        multi: bool,
        /// Make the collection if it is not there yet.
        #[arg(long)]
        create: bool,
    },
    /// Remove an index.
    Drop {
        #[command(flatten)]
        target: Target,
        /// The collection.
        collection: String,
        /// The name of the index.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}
