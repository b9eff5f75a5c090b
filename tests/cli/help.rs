//! Every command explains itself, with examples that the command line takes.

use crate::tool::run;
use clap::Parser;
use orchestrator::cli::{Cli, command};

/// Every command, the verbs of verbs included, as the words that lead to it.
fn commands() -> Vec<Vec<String>> {
    fn below(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path: Vec<_> = path.iter().cloned().chain([sub.get_name().to_owned()]).collect();
            found.push(path.clone());
            below(sub, &path, found);
        }
    }
    let mut found = Vec::new();
    below(&command(), &[], &mut found);
    found
}

fn help(path: &[String]) -> String {
    let arguments: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
    run(&arguments).expect(0).stdout
}

/// A line as a shell splits it, as far as our examples go; ends at a pipe, a redirection or a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    // Two spaces part an example from what is said about it.
    let line = line.find("   ").map_or(line, |end| &line[..end]);
    for c in line.chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            '|' | '>' | '#' if !quoted && !begun => break,
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

fn examples(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter_map(|line| line.find("orchestrator ").map(|at| (line, at))).filter_map(
        |(line, at)| {
            let is_command = at == 0 || line[..at].ends_with("| ");
            is_command.then(|| &line[at..])
        },
    )
}

#[test]
fn every_command_has_examples_that_the_command_line_takes() {
    for path in commands() {
        let text = help(&path);
        assert!(text.contains("Examples:"), "{path:?} has no examples:\n{text}");
        let shown = text.split("Examples:").nth(1).unwrap_or_default();
        for line in shown.lines().take_while(|line| !line.starts_with("Exit codes")) {
            assert!(line.chars().count() <= 84, "{path:?}: too long for a terminal: {line}");
        }
        let lines: Vec<_> = examples(&text).collect();
        assert!(!lines.is_empty(), "{path:?}");
        for line in lines {
            if let Err(error) = Cli::try_parse_from(words(line)) {
                panic!("{path:?}: {line:?}: {error}");
            }
        }
    }
}

#[test]
fn the_first_help_shows_every_verb_and_the_exit_codes() {
    let text = run(&["--help"]).expect(0).stdout;
    for path in commands().iter().filter(|path| path.len() == 1) {
        assert!(text.contains(&format!("  {}", path[0])), "{path:?} is not in\n{text}");
    }
    assert!(
        text.contains("Exit codes:") && text.contains("  5    the log, the store or the process does not answer"),
        "{text}"
    );
    assert!(run(&["submit", "--help"]).stdout.contains("Exit codes:"));
}

#[test]
fn the_page_about_the_command_line_shows_every_verb_and_lives() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).expect("docs/cli.md");
    for path in commands() {
        assert!(page.contains(&format!("`{}`", path.join(" "))), "docs/cli.md does not show {path:?}");
    }
    for (exit, meaning) in orchestrator::cli::exit::TABLE {
        assert!(page.contains(&format!("| {} | {meaning} |", exit as u8)), "docs/cli.md does not have {exit:?}");
    }
    for line in examples(&page) {
        if let Err(error) = Cli::try_parse_from(words(line)) {
            panic!("docs/cli.md: {line:?}: {error}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [
        &["sbumit"][..],
        &["submit"],
        &["submit", "shop", "--input", "{}", "--timeout", "5"],
        &["show", ""],
        &["list", "--status", "sleeping"],
        &["submit", "no such name", "--input", "{}"],
        &["submit", "shop", "--input", "{}", "--wait", "--timeout", "0"],
        &["submit", "shop", "--input", "{}", "--wait", "--timeout", "soon"],
        &["list", "--limit", "0"],
    ] {
        let end = run(arguments).expect(2);
        assert!(end.stdout.is_empty() && end.stderr.contains("error: "), "{end:?}");
    }
}

#[test]
fn an_event_that_there_is_not_is_answered_with_those_that_there_are() {
    let end = run(&["tail", "--type", "NodeCompleted,Nope"]).expect(2);
    for word in ["Nope", "NodeCompleted", "WorkflowFailed", "InputRefused"] {
        assert!(end.stderr.contains(word), "{end:?}");
    }
    assert!(!end.stderr.contains("JournalStep"), "a record of the journal is no event: {end:?}");
}

/// Whoever copies an example gets what it says.
#[test]
fn files_that_examples_read_are_there() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).expect("docs/cli.md");
    let mut read = 0;
    for text in commands().iter().map(|path| help(path)).chain([help(&[]), page]) {
        let lines = text.lines().filter(|line| line.contains("orchestrator "));
        for word in lines.flat_map(|line| line.split('>').next().unwrap_or_default().split_whitespace()) {
            let file = word.trim_start_matches('@');
            if [".yaml", ".json", ".py", ".sh"].iter().any(|end| file.ends_with(end)) {
                assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file} is not there");
                read += 1;
            }
        }
    }
    assert!(read >= 5, "examples read files");
}

#[test]
fn completions_are_there_for_the_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect(0).stdout;
        assert!(script.contains("orchestrator") && script.contains("definitions"), "{shell}");
    }
}
