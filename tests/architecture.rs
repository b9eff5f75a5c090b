//! The house rules, held by reading the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may import. What is not in the table is a mistake of the table.
const ROOMS: &[(&str, &[&str])] = &[
    // Names of faults, and nothing at all without its feature.
    ("planted", &[]),
    ("core", &["planted"]),
    ("journal", &["core", "planted"]),
    // Of the log only the form of a header.
    ("wire", &["core", "journal", "log"]),
    ("log", &["core"]),
    ("registry", &["core", "wire", "log"]),
    ("store", &["core", "journal", "wire", "planted"]),
    ("config", &["core"]),
    ("telemetry", &["config"]),
    ("shutdown", &[]),
    ("local", &["core", "wire"]),
    ("engine", &["core", "journal", "wire", "log", "store", "api", "shutdown", "local", "planted"]),
    ("projector", &["core", "journal", "wire", "log", "store", "api", "shutdown", "planted"]),
    // Of the projector only the rows that events make.
    ("history", &["core", "journal", "wire", "log", "store", "installation", "projector"]),
    ("worker", &["core", "wire", "log", "api", "shutdown", "local"]),
    ("context", &["core", "journal", "wire"]),
    ("ui", &["core", "wire"]),
    ("installation", &["core", "wire", "log"]),
    ("embedded", &["core", "journal", "wire", "log", "store", "engine", "projector", "worker", "installation"]),
    (
        "simulation",
        &[
            "core",
            "journal",
            "wire",
            "log",
            "store",
            "engine",
            "projector",
            "worker",
            "history",
            "shutdown",
            "local",
            "planted",
        ],
    ),
    ("demo", &["core", "wire", "log", "engine", "worker", "installation", "embedded", "ui"]),
    ("api", &["core", "journal", "wire", "log", "store", "engine", "projector", "history", "config", "shutdown"]),
];

/// Rooms that put the parts together and may import everything.
const TOP: [&str; 4] = ["cli", "lib", "main", "bin"];

/// Where log and store may be named together.
const LOG_AND_STORE: [&str; 8] = ["engine", "projector", "history", "cli", "api", "demo", "embedded", "simulation"];

/// What the pure rooms may import from outside.
const PURE_CRATES: [&str; 16] = [
    "std",
    "serde",
    "serde_json",
    "serde_saphyr",
    "serde_json_canonicalizer",
    "cel",
    "jsonschema",
    "base64",
    "hex",
    "jiff",
    "regex",
    "sha2",
    "stacker",
    "strsim",
    "thiserror",
    "bytes",
];

/// What the pure rooms never name: clocks, sockets, files, processes, chance.
const IMPURE: [&str; 11] = [
    "SystemTime",
    "Instant",
    "rand::",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    // A thread of one's own, for a deeper stack, is no clock; waiting on one is.
    "thread::sleep",
    "std::io",
    "tokio::",
    "RandomState",
];

/// Files longer than 500 lines, each with the reason why it is not two.
const LONG: [(&str, &str); 0] = [];

struct File {
    path: String,
    room: String,
    /// The module's path, e.g. `["core", "apply"]`.
    module: Vec<String>,
    text: String,
}

impl File {
    /// The lines without comments, of the part before the tests.
    fn code(&self) -> String {
        uncommented(self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default())
    }

    /// The lines without comments.
    fn all_code(&self) -> String {
        uncommented(&self.text)
    }
}

fn uncommented(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<File> {
    let mut paths = Vec::new();
    files_below(&root().join("src"), &mut paths);
    paths.sort();
    paths.iter().map(|path| source(path)).collect()
}

fn source(path: &Path) -> File {
    let below = path.strip_prefix(root().join("src")).expect("a file of src");
    let mut module: Vec<String> = below.iter().map(|part| part.to_string_lossy().replace(".rs", "")).collect();
    module.retain(|part| part != "mod");
    File {
        path: format!("src/{}", below.display()),
        room: module.first().cloned().unwrap_or_default(),
        module,
        text: fs::read_to_string(path).expect("a source is text"),
    }
}

/// The rooms that a file names: after `crate::`, in groups after it, and by way of `super`.
fn rooms_named(file: &File, code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        rooms.extend(names_at(&code[at + "crate::".len()..]));
    }
    for (at, _) in code.match_indices("super::") {
        // Only the first of a chain.
        if code[..at].ends_with("super::") {
            continue;
        }
        let chain = &code[at..];
        let supers = chain.split("super::").take_while(|between| between.is_empty()).count();
        if supers >= file.module.len() {
            let known = |name: &String| ROOMS.iter().any(|(room, _)| room == name);
            rooms.extend(names_at(&chain[supers * "super::".len()..]).into_iter().filter(known));
        }
    }
    rooms.remove(&file.room);
    rooms
}

/// The first name of a path, or the first of each path of a group `{a::b, c}`.
fn names_at(text: &str) -> Vec<String> {
    let name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = text.strip_prefix('{') else { return vec![name(text)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn report(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn rooms_import_what_the_table_allows() {
    let mut faults = Vec::new();
    for file in sources() {
        if TOP.contains(&file.room.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == file.room) else {
            faults.push(format!("{}: the room {} is not in the table", file.path, file.room));
            continue;
        };
        for named in rooms_named(&file, &file.code()) {
            // Macros of the crate look like rooms and are none.
            let is_room = ROOMS.iter().any(|(room, _)| *room == named) || TOP.contains(&named.as_str());
            if is_room && !allowed.contains(&named.as_str()) {
                faults.push(format!("{}: {} imports {named}", file.path, file.room));
            }
        }
    }
    report("a room imports another that it may not", &faults);
}

#[test]
fn log_and_store_meet_only_where_parts_are_put_together() {
    let together = |file: &File| {
        let named = rooms_named(file, &file.code());
        named.contains("log") && named.contains("store") && !LOG_AND_STORE.contains(&file.room.as_str())
    };
    let faults: Vec<_> = sources().into_iter().filter(together).map(|file| file.path).collect();
    report("log and store are named together", &faults);
}

#[test]
fn the_pure_rooms_read_no_clock_socket_file_or_chance() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| ["core", "journal"].contains(&file.room.as_str())) {
        let code = file.code();
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            faults.push(format!("{}: names {word}", file.path));
        }
        for line in code.lines().filter_map(|line| line.trim_start().strip_prefix("use ")) {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let ours = ["crate", "super", "self", "core"].contains(&name.as_str()) || is_local(file, &name);
            if !ours && !PURE_CRATES.contains(&name.as_str()) {
                faults.push(format!("{}: imports {name}", file.path));
            }
        }
    }
    report("a pure room reaches outside", &faults);
}

/// Whether a name after `use` is an enum or module of the file itself (`use Verdict::*`).
fn is_local(file: &File, name: &str) -> bool {
    ["enum ", "mod ", "struct "].iter().any(|kind| file.text.contains(&format!("{kind}{name}")))
        || name.starts_with(|c: char| c.is_uppercase())
}

#[test]
fn replay_never_decides() {
    let mut faults = Vec::new();
    for file in sources() {
        let replays = file.room == "history" || file.room == "projector" || file.path == "src/core/apply.rs";
        if replays && file.code().contains("decide") {
            faults.push(file.path);
        }
    }
    report("what folds history names decide", &faults);
}

#[test]
fn anyhow_is_of_the_command_line_alone() {
    let elsewhere = |file: &File| !TOP.contains(&file.room.as_str()) && file.code().contains("anyhow");
    let faults: Vec<_> = sources().into_iter().filter(elsewhere).map(|file| file.path).collect();
    report("anyhow outside main and cli", &faults);
}

#[test]
fn nothing_is_left_to_be_done() {
    let marks = ["todo!(", "unimplemented!(", "FIXME", "TODO", "XXX", "is not part of this build", "by this build"];
    let mut faults = Vec::new();
    for file in sources() {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                faults.push(format!("{}:{}: {mark}", file.path, number + 1));
            }
        }
    }
    report("something is not finished", &faults);
}

/// Whoever plants a fault in the engine does so for one build of a test; no default, image or script of a release does.
#[test]
fn planted_faults_are_in_no_release() {
    let feature = "planted-bugs";
    let text = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let manifest = text("Cargo.toml");
    assert!(manifest.contains(&format!("{feature} = []")), "the feature {feature} is another one");
    let mut faults = Vec::new();
    if manifest.lines().any(|line| line.trim_start().starts_with("default") && line.contains(feature)) {
        faults.push("Cargo.toml: it is a default feature".to_owned());
    }
    for path in ["Dockerfile", "docker-compose.yml", ".ci/run", "scripts/bench"] {
        if text(path).contains(feature) || text(path).contains("all-features") {
            faults.push(format!("{path}: builds it"));
        }
    }
    for file in sources().iter().filter(|file| !["planted", "simulation"].contains(&file.room.as_str())) {
        // One place decides whether a fault is planted; everywhere else asks it.
        if file.all_code().contains(feature) {
            faults.push(format!("{}: names the feature", file.path));
        }
    }
    report("faults are planted in a release", &faults);
}

#[test]
fn whatever_is_printed_can_be_piped() {
    let mut faults = Vec::new();
    for file in sources() {
        let code = file.code();
        for word in ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("] {
            if code.contains(&format!(" {word}")) {
                faults.push(format!("{}: {word}: it panics when nobody reads; print through cli::output", file.path));
            }
        }
    }
    report("printing that panics", &faults);
}

#[test]
fn a_file_is_about_one_thing() {
    let mut faults = Vec::new();
    for file in sources() {
        let lines = file.text.lines().count();
        match LONG.iter().find(|(path, _)| *path == file.path) {
            None if lines > 500 => faults.push(format!("{}: {lines} lines; make it two, or say why not", file.path)),
            Some(_) if lines <= 500 => faults.push(format!("{}: {lines} lines; no longer an exception", file.path)),
            _ => {}
        }
    }
    report("files over 500 lines", &faults);
}

#[test]
fn no_place_of_one_machine_is_named() {
    let mut faults = Vec::new();
    for file in sources() {
        for word in ["/work/", "/root/", "/home/"] {
            if file.all_code().contains(word) {
                faults.push(format!("{}: {word}", file.path));
            }
        }
    }
    report("a path of one machine", &faults);
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let rooms: BTreeSet<_> = sources()
        .into_iter()
        .map(|file| file.room)
        .filter(|room| !["lib", "main", "bin"].contains(&room.as_str()))
        .collect();
    let missing: Vec<_> = rooms.into_iter().filter(|room| !map.contains(&format!("[`{room}`]"))).collect();
    report("rooms that src/lib.rs does not show", &missing);
}

#[test]
fn the_reader_of_paths_reads_paths() {
    let file = |path: &str| source(&root().join("src").join(path));
    let core = file("core/apply.rs");
    let named = |code: &str| rooms_named(&core, code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(named("use crate::log::{Log, Topic};"), "log");
    assert_eq!(named("use crate::{log::Log, store::{Store, query}, core::id};"), "log store");
    assert_eq!(named("use super::super::store::Store;"), "store");
    assert_eq!(named("use super::id::RunId; use super::status::Status;"), "");
    assert_eq!(named("fn f() -> crate::engine::Engine { }"), "engine");
}
