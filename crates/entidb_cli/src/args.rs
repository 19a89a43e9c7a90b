//! The arguments of the command line.
//!
//! Always: a command that cannot be undone asks first, and needs `--yes` where standard input is no terminal. Does not know: what a
//! command does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Inspect, check, query, change and back up EntiDB databases.
///
/// Exit codes:
///   0  success, also when a query has no results
///   1  not found, problems found by verify, or not confirmed
///   2  wrong usage: the command line, an argument, or a path without a database
///   3  the database is locked, read-only or closed
///   4  the disk or the operating system failed
///   5  the data is damaged, of a newer version, no EntiDB data, or needs another key
///   6  the change conflicts with existing data: a unique index, a name that is in use
///   7  any other error
#[derive(Debug, Parser)]
#[command(name = "entidb", version, verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The database, and how to open it.
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

/// Whether a missing database or collection is created.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Making {
    /// Create the database and the collections if they do not exist.
    #[arg(long)]
    pub(crate) create: bool,
    /// Create missing parent folders of the database too.
    #[arg(long, requires = "create")]
    pub(crate) parents: bool,
}

/// The entities of a collection to work on.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// Keep entities that match: field, operator, value. Repeat for more conditions; all must match.
    ///
    /// Operators: eq ne lt le gt ge in contains starts-with between exists is-null. The value is JSON; text needs no quotes unless
    /// it is valid JSON. `in` and `between` take an array; `exists` and `is-null` take true or false.
    #[arg(long = "where", num_args = 3, value_names = ["FIELD", "OPERATOR", "VALUE"], allow_hyphen_values = true)]
    pub(crate) conditions: Vec<String>,
    /// Sort by a field, or by `-field` in descending order. Repeat for more fields.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    pub(crate) order_by: Vec<String>,
    /// Return at most N entities.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Skip the first N entities.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Demonstrate EntiDB on a temporary database.
    Tour {
        /// Number of entities to write.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1000..=5_000_000))]
        entities: u64,
        /// Keep the temporary folder and print its path.
        #[arg(long)]
        keep: bool,
        /// Run the writer that the tour kills; used by the tour itself.
        #[arg(long, hide = true, value_name = "FOLDER")]
        child: Option<PathBuf>,
    },
    /// Show versions, recovery, collections, indexes and sizes.
    Inspect {
        #[command(flatten)]
        target: Target,
    },
    /// Check the database; exit code 1 when there are problems.
    Verify {
        #[command(flatten)]
        target: Target,
        /// Read every block, and compare every index with its entities.
        #[arg(long)]
        full: bool,
    },
    /// Show counters and sizes.
    Stats {
        #[command(flatten)]
        target: Target,
    },
    /// List the collections with their number of entities.
    Collections {
        #[command(flatten)]
        target: Target,
    },
    /// Export entities, indexes and the keys of manual indexes as JSON, one object per line.
    ///
    /// Versions, the change feed and the keys that open an encrypted database are not in it; `backup` copies a database with all of it.
    Dump {
        #[command(flatten)]
        target: Target,
        /// Export only this collection. Repeat for more.
        #[arg(long, value_name = "NAME")]
        collection: Vec<String>,
        /// Write to this file instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Export entities alone, without lines for indexes and empty collections.
        #[arg(long)]
        entities_only: bool,
    },
    /// Import JSON lines, as `dump` writes them. Importing the same file again changes nothing.
    Load {
        #[command(flatten)]
        target: Target,
        /// The file to read; `-` for standard input.
        #[arg(default_value = "-")]
        input: PathBuf,
        /// Store lines that are plain documents in this collection, under new ids.
        #[arg(long, value_name = "NAME")]
        into: Option<String>,
        #[command(flatten)]
        making: Making,
    },
    /// Print one entity.
    Get {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        /// Id of the entity.
        id: String,
        /// Print the entity as it was after an earlier commit, given by its sequence.
        #[arg(long, value_name = "SEQUENCE")]
        at: Option<u64>,
    },
    /// Print the versions an entity has had, oldest first, as far as the database keeps them.
    History {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        /// Id of the entity.
        id: String,
    },
    /// Print the changes that the database keeps, oldest first, or those after a position.
    Changes {
        #[command(flatten)]
        target: Target,
        /// Print the changes after this position, which an earlier run printed with --json.
        #[arg(long, value_name = "POSITION")]
        since: Option<String>,
        /// Print only changes of this collection.
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// Print the document before each update and delete, too.
        #[arg(long)]
        before: bool,
    },
    /// Store a JSON document and print its id.
    Put {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        /// The document as JSON; `-` for standard input.
        document: String,
        /// Store the document under this id, replacing an existing entity.
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        making: Making,
    },
    /// Query a collection.
    Find {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        #[command(flatten)]
        selection: Selection,
        /// Print only the number of results.
        #[arg(long, conflicts_with_all = ["explain", "delete"])]
        count: bool,
        /// Print the query plan instead of running the query.
        #[arg(long, conflicts_with = "delete")]
        explain: bool,
        /// Delete the entities found.
        #[arg(long)]
        delete: bool,
        /// Delete without asking.
        #[arg(long, requires = "delete")]
        yes: bool,
    },
    /// List, create or drop indexes.
    Index {
        #[command(subcommand)]
        action: IndexAction,
    },
    /// Manage the keys and passwords of an encrypted database.
    Key {
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Write the data in the log to segments, and shorten the log.
    Checkpoint {
        #[command(flatten)]
        target: Target,
    },
    /// Merge all segments and remove old versions and deleted data.
    Compact {
        #[command(flatten)]
        target: Target,
    },
    /// Copy the database to a new folder. No other program may have it open.
    ///
    /// A program that has the database open makes the copy itself, with the function `backup`, and continues to work meanwhile.
    Backup {
        #[command(flatten)]
        target: Target,
        /// The folder to create.
        destination: PathBuf,
    },
    /// Make a database in a new folder of a backup. The backup is checked before: every byte and every index.
    Restore {
        #[command(flatten)]
        target: Target,
        /// The new folder.
        destination: PathBuf,
    },
}

/// The new key or password.
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
    /// List the keys and passwords that open the database: the slot and the kind of each, never the key.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Replace the key or password by a new one. No data is rewritten.
    Change {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        new: NewKey,
    },
    /// Add a key or password. A database has at most eight.
    Add {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        new: NewKey,
    },
    /// Remove the key or password that this command is given. The last one cannot be removed.
    Remove {
        #[command(flatten)]
        target: Target,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Encrypt every new file with a new data key. Existing files keep theirs.
    Rotate {
        #[command(flatten)]
        target: Target,
    },
    /// Rewrite the whole database with a new data key, and erase the old ones.
    Rekey {
        #[command(flatten)]
        target: Target,
    },
}

/// A key that an entity has, or is to have, in a manual index.
#[derive(Debug, Args)]
pub(crate) struct EntityKey {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Name of the collection.
    pub(crate) collection: String,
    /// Name of the index.
    pub(crate) name: String,
    /// The key, as JSON; text needs no quotes unless it is valid JSON.
    #[arg(allow_hyphen_values = true)]
    pub(crate) key: String,
    /// Id of the entity.
    pub(crate) id: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IndexAction {
    /// List the indexes of a collection.
    List {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
    },
    /// Create an index and build it.
    Create {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        /// A field to index, or `-field` for descending order. Repeat for more fields.
        #[arg(long = "on", value_name = "FIELD", required_unless_present = "manual", allow_hyphen_values = true)]
        fields: Vec<String>,
        /// Create a manual index, whose keys the application gives to entities. It needs a name.
        #[arg(long, conflicts_with_all = ["fields", "multi"], requires = "name")]
        manual: bool,
        /// Name of the index. The default is the fields joined by commas.
        #[arg(long)]
        name: Option<String>,
        /// Allow each key only once.
        #[arg(long)]
        unique: bool,
        /// Index each element of an array.
        #[arg(long)]
        multi: bool,
        /// Create the collection if it does not exist.
        #[arg(long)]
        create: bool,
    },
    /// List the keys of a manual index in order, with the ids of their entities.
    Keys {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        /// Name of the index.
        name: String,
        /// List only this key, as JSON; text needs no quotes unless it is valid JSON.
        #[arg(long, value_name = "KEY", conflicts_with_all = ["from", "to"], allow_hyphen_values = true)]
        key: Option<String>,
        /// Begin with this key.
        #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
        from: Option<String>,
        /// End with this key.
        #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
        to: Option<String>,
        /// Begin with the last key.
        #[arg(long)]
        reverse: bool,
        /// List at most N keys.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Give an entity a key of a manual index.
    InsertKey(EntityKey),
    /// Take a key of a manual index from an entity.
    RemoveKey(EntityKey),
    /// Remove an index.
    Drop {
        #[command(flatten)]
        target: Target,
        /// Name of the collection.
        collection: String,
        /// Name of the index.
        name: String,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
}
