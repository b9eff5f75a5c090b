//! A reader at his terminals: a folder, the program on his path, and what is printed.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the program may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with terminals.
pub struct Session {
    folder: TempDir,
    background: Vec<Child>,
    printed: RefCell<String>,
}

impl Session {
    /// In an empty folder.
    pub fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_orchestrator"), folder.path().join("bin/orchestrator")).unwrap();
        Self { folder, background: Vec::new(), printed: RefCell::default() }
    }

    /// Saves a file.
    pub fn save(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORCHESTRATOR_")) {
            command.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["-euc", script])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("ORCHESTRATOR_DATA", ".orchestrator")
            // Tests run beside each other and beside a developer's own.
            .env("ORCHESTRATOR_HTTP_ADDRESS", "off")
            .stdin(Stdio::null());
        command
    }

    /// Starts a command in a terminal of its own, and waits until there is an installation.
    pub fn start(&mut self, command: &str) {
        let child = self.shell(&format!("exec {command}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.background.push(child);
        let began = Instant::now();
        while !self.shell("orchestrator health").output().unwrap().status.success() {
            assert!(began.elapsed() < PATIENCE, "`{}` does not come up", command.trim());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs commands, which have to succeed.
    pub fn run(&self, script: &str, line: usize) {
        let output = self.shell(script).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "the commands of line {line} failed:\n{script}\n{stdout}\n{stderr}");
        *self.printed.borrow_mut() = format!("{stdout}{stderr}");
    }

    /// Holds what the last commands printed against what the document shows.
    pub fn printed(&self, shown: &str, line: usize) {
        let printed = self.printed.borrow();
        let found: Vec<String> = printed.lines().map(without_digits).collect();
        for expected in shown.lines().map(without_digits).filter(|text| !text.is_empty()) {
            assert!(found.contains(&expected), "line {line} shows {expected:?}, printed was:\n{printed}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in &mut self.background {
            // What it has done is of no interest any more.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn without_digits(line: &str) -> String {
    line.trim_end().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}
