//! Runs other programs, keeps what they say in a log, and stops them when they hang.
//!
//! Always: what a program printed is in its log file, whatever became of the program.
//! Does not know: what the words mean; `test::count` reads them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{During, Failure, Result};

/// How often a waiting person is told that a program still runs.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How long a quiet-tier program may run before it counts as hung.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(45 * 60);

/// A program to run, with its arguments, folder and environment.
#[derive(Debug)]
pub(crate) struct Process {
    command: Command,
    shown: String,
    log: Option<PathBuf>,
    deadline: Duration,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it ended with status 0.
    pub(crate) success: bool,
    /// Everything it printed, both streams in order.
    pub(crate) output: String,
    /// The command line, for messages.
    pub(crate) shown: String,
    /// How it ended, in words.
    pub(crate) ending: String,
}

impl Process {
    /// Prepares `program`.
    pub(crate) fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref();
        Self {
            command: Command::new(program),
            shown: program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned(),
            log: None,
            deadline: DEADLINE_DEFAULT,
        }
    }

    /// Adds arguments.
    pub(crate) fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        for argument in args {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    /// Sets the folder it runs in.
    pub(crate) fn dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets one variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes one variable of its environment.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Keeps its output in this file.
    pub(crate) fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Allows it more or less time than the default.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end and returns what it printed, failed or not.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        let Some(log) = self.log.take() else {
            let output =
                self.command.stdin(Stdio::null()).output().during(format_args!("cannot run {}", self.shown))?;
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            return Ok(self.finished(output.status, text));
        };
        let file = File::create(&log).during(format_args!("cannot write {}", log.display()))?;
        let twin = file.try_clone().during(format_args!("cannot write {}", log.display()))?;
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(twin)
            .spawn()
            .during(format_args!("cannot run {}", self.shown))?;
        let began = Instant::now();
        let mut told = began;
        let status = loop {
            if let Some(status) = child.try_wait().during(format_args!("cannot wait for {}", self.shown))? {
                break status;
            }
            if began.elapsed() > self.deadline {
                child.kill().during(format_args!("cannot stop {}", self.shown))?;
                child.wait().during(format_args!("cannot wait for {}", self.shown))?;
                return Err(Failure::new(format!(
                    "{} did not end within {} s and was stopped; its output is in {}",
                    self.shown,
                    self.deadline.as_secs(),
                    log.display()
                )));
            }
            if told.elapsed() > HEARTBEAT {
                told = Instant::now();
                println!("      still running after {} s: {}", began.elapsed().as_secs(), self.shown);
            }
            std::thread::sleep(Duration::from_millis(25));
        };
        let bytes = fs::read(&log).during(format_args!("cannot read {}", log.display()))?;
        Ok(self.finished(status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Runs it and fails when it does, with the end of what it printed.
    pub(crate) fn succeed(self) -> Result<String> {
        let finished = self.finish()?;
        if finished.success { Ok(finished.output) } else { Err(finished.failure()) }
    }

    fn finished(&self, status: ExitStatus, output: String) -> Finished {
        Finished { success: status.success(), output, shown: self.shown.clone(), ending: status.to_string() }
    }
}

impl Finished {
    /// The failure this ending amounts to.
    pub(crate) fn failure(&self) -> Failure {
        Failure::new(format!("`{}` failed ({})\n{}", self.shown, self.ending, tail(&self.output, 120)))
    }
}

/// The last `lines` lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.get(from..).unwrap_or_default().join("\n")
}

/// Whether a program can be started at all.
pub(crate) fn available(program: &str) -> bool {
    Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_fails_with_its_words() {
        let failure = Process::new("sh").args(["-c", "echo the reason; exit 3"]).succeed().unwrap_err().to_string();
        assert!(failure.contains("the reason") && failure.contains("exit"), "{failure}");
    }

    #[test]
    fn a_program_past_its_deadline_is_stopped() {
        let log = std::env::temp_dir().join(format!("entidb-xtask-{}-deadline.log", std::process::id()));
        let outcome =
            Process::new("sh").args(["-c", "sleep 30"]).log(&log).deadline(Duration::from_millis(50)).finish();
        assert!(outcome.unwrap_err().to_string().contains("did not end"));
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn the_tail_of_a_text_is_its_last_lines() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
    }
}
