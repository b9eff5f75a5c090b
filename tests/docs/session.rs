//! A reader at his terminals: a folder, the program on his path, and what is printed.

use crate::support::Installation;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the program may take to come up, and to do what is shown.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the documents find the database that `scripts/services up` starts.
const DATABASE: &str = "postgres://orchestrator:orchestrator@127.0.0.1:15432/orchestrator";

/// A folder with terminals.
pub struct Session {
    folder: TempDir,
    environment: Vec<(String, String)>,
    /// What stands otherwise in this session than in the documents: ports, names of topics.
    instead: Vec<(String, String)>,
    background: Vec<Child>,
}

impl Session {
    /// In an empty folder, with an embedded log and store.
    pub fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_orchestrator"), folder.path().join("bin/orchestrator")).unwrap();
        // Tests run beside each other and beside a developer's own.
        let environment = [("ORCHESTRATOR_DATA", ".orchestrator"), ("ORCHESTRATOR_HTTP_ADDRESS", "off")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, environment, instead: Vec::new(), background: Vec::new() }
    }

    /// In a copy of the sources, with an installation of its own on a Kafka and a Postgres that are up already.
    pub fn on_kafka(installation: &Installation) -> Self {
        let command = installation.command(&[]);
        let text = |value: &std::ffi::OsStr| value.to_str().expect("UTF-8").to_owned();
        let environment: Vec<(String, String)> = command
            .get_envs()
            .filter_map(|(name, value)| Some((text(name), text(value?))))
            .filter(|(name, _)| name.starts_with("ORCHESTRATOR_"))
            .collect();
        let database = environment.iter().find(|(name, _)| name == "ORCHESTRATOR_STORE_URL").expect("a store");
        let mut instead = vec![
            ("127.0.0.1:19092".to_owned(), installation.brokers().to_owned()),
            (DATABASE.to_owned(), database.1.clone()),
        ];
        for topic in ["requests", "responses", "dead-letters", "events"] {
            instead.push((format!("orchestrator.{topic}"), format!("{}.{topic}", installation.namespace())));
        }
        let mut session = Self::begin();
        (session.environment, session.instead) = (environment, instead);
        let root = session.folder.path();
        symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"), root.join("examples")).unwrap();
        // `up` has nothing to do.
        fs::create_dir(root.join("scripts")).unwrap();
        fs::write(root.join("scripts/services"), "#!/bin/sh\n[ \"$*\" = up ]\n").unwrap();
        fs::set_permissions(root.join("scripts/services"), fs::Permissions::from_mode(0o755)).unwrap();
        session
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
        let script = self.instead.iter().fold(script.to_owned(), |script, (told, here)| script.replace(told, here));
        command
            .args(["-euc", &script])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("PAGER", "cat")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
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

    /// Runs commands, which have to succeed and to print what the document shows below them. A reader looks again
    /// where an answer is not there at once.
    pub fn run(&self, script: &str, shown: &str, line: usize) {
        let began = Instant::now();
        loop {
            let output = self.shell(script).output().unwrap();
            let printed =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "the commands of line {line} failed:\n{script}\n{printed}");
            let Some(missing) = shown.lines().find(|shown| !is_printed(shown, &printed)) else { return };
            assert!(began.elapsed() < PATIENCE, "below line {line} stands {missing:?}, printed was:\n{printed}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks the database something, which it has to understand.
    pub fn ask(&self, sql: &str, line: usize) {
        self.save("question.sql", sql);
        self.run(&format!("psql {DATABASE} --set ON_ERROR_STOP=1 --file question.sql"), "", line);
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

/// Whether a line of a document was printed: digits may differ, and `…` stands for anything.
fn is_printed(shown: &str, printed: &str) -> bool {
    let shown = without_digits(shown);
    shown.is_empty() || printed.lines().any(|line| matches(&shown, &without_digits(line)))
}

fn matches(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || shown.ends_with('…')
}

fn without_digits(line: &str) -> String {
    line.trim_end().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

#[test]
fn an_ellipsis_stands_for_anything() {
    let printed = "order-7 {\"a\":1,\"b\":2}\n(1 row)\n";
    for shown in ["order-8 {…}", "order-7 {\"a\":1,…", "(2 row)", "…\"b\":2}"] {
        assert!(is_printed(shown, printed), "{shown}");
    }
    for other in ["order-7", "order-7 {…\"c\"…}", "rows…"] {
        assert!(!is_printed(other, printed), "{other}");
    }
}
