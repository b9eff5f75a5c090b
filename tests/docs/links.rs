//! Links within the repository: the file has to be there, and the heading in it.

use std::fs;
use std::path::Path;

/// What is wrong with the links of a document, each with its place.
pub fn broken_in(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let mut faults = Vec::new();
    for (index, line) in outside_of_fences(&text) {
        for target in targets(line) {
            if let Some(fault) = fault_of(document, &text, target) {
                faults.push(format!("{}:{}: {target}: {fault}", document.display(), index + 1));
            }
        }
    }
    faults
}

fn outside_of_fences(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((index, line));
        }
    }
    lines
}

/// What stands in the parentheses of `[…](…)`.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

fn fault_of(document: &Path, text: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { document.to_owned() } else { document.parent()?.join(file) };
    if !path.exists() {
        return Some("there is no such file");
    }
    if heading.is_empty() {
        return None;
    }
    let linked = if file.is_empty() { text.to_owned() } else { fs::read_to_string(&path).unwrap() };
    let headings: Vec<String> = outside_of_fences(&linked)
        .into_iter()
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| anchor(line.trim_start_matches('#').trim()))
        .collect();
    (!headings.iter().any(|anchor| anchor == heading)).then_some("there is no such heading")
}

/// As GitHub makes it: lower case, spaces to hyphens, everything else left out.
fn anchor(heading: &str) -> String {
    let keep = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    heading.chars().filter_map(keep).collect()
}

#[test]
fn anchors_are_those_of_github() {
    assert_eq!(anchor("ready: tasks"), "ready-tasks");
    assert_eq!(anchor("`JournalLost` and InputLost"), "journallost-and-inputlost");
}
