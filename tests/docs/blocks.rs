//! The fenced blocks of a document.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, counted from 1.
    pub line: usize,
    /// The first word of the info string.
    pub language: String,
    /// The rest of it.
    pub purpose: String,
    /// What stands in it.
    pub text: String,
}

impl Block {
    /// The name under which a reader saves it.
    pub fn file(&self) -> Option<&str> {
        self.purpose.strip_prefix("file=")
    }
}

/// All fenced blocks, in order.
pub fn blocks_of(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in document.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let (language, purpose) = info.split_once(' ').unwrap_or((info, ""));
                open = Some(Block {
                    line: index + 1,
                    language: language.to_owned(),
                    purpose: purpose.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed: {open:?}");
    blocks
}

#[test]
fn a_document_is_taken_apart() {
    let found = blocks_of("a\n```yaml file=x.yaml\nname: x\n```\nb\n```sh run\nls\n```\n");
    let parts: Vec<_> = found.iter().map(|b| (b.line, b.language.as_str(), b.file(), b.text.as_str())).collect();
    assert_eq!(parts, [(2, "yaml", Some("x.yaml"), "name: x\n"), (6, "sh", None, "ls\n")]);
}
