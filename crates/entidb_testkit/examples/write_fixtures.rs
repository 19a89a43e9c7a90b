//! Writes the databases that are kept for ever under `tests/fixtures`, in the format this library writes.
//!
//! `cargo run -p entidb_testkit --example write_fixtures -- tests/fixtures`, once for each version of the format. A
//! folder that is there is left alone: what was released does not change any more.
#![expect(clippy::disallowed_methods, reason = "a tool of the developers that writes to the real file system")]
#![expect(clippy::print_stdout, reason = "says what it wrote")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use entidb_engine::{AesGcmProvider, Provider};
use entidb_testkit::sample::{self, Ending, Flavour};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give the folder of the fixtures")?;
    for (flavour, ending, name) in [
        (Flavour::Plain, Ending::Closed, "format-v1-plain"),
        (Flavour::Compressed, Ending::Dropped, "format-v1-compressed"),
        (Flavour::Encrypted, Ending::Closed, "format-v1-encrypted"),
    ] {
        let target = Path::new(&folder).join(name);
        if target.exists() {
            println!("{name} is there and stays as it is");
            continue;
        }
        let provider: Arc<dyn Provider> = Arc::new(AesGcmProvider);
        let sample = sample::build(flavour, ending, &provider)?;
        let world = sample.world();
        for file in world.file_names().iter().filter(|file| *file != "LOCK") {
            let path = target.join(file);
            std::fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
            std::fs::write(&path, world.file_bytes(file).unwrap_or_default())?;
        }
        let mut content = String::new();
        for (key, value) in sample.content() {
            writeln!(content, "{} {}", hex(key), hex(value))?;
        }
        std::fs::write(target.with_extension("content"), content)?;
        println!("{name} written");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
