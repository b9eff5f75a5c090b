//! Names and ids, each a type of its own, checked where it comes in.

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a text is not accepted as an id or a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {reason}")]
pub struct IllegalId {
    /// Which id, by its field name, e.g. `workflow_id`.
    pub what: &'static str,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// Longest `workflow_id` and `conversation_id`, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 256;
/// Longest `node_id`, `agent_name` and definition name, in characters.
pub const MAX_NAME_CHARS: usize = 100;

fn check_id(what: &'static str, text: &str) -> Result<(), IllegalId> {
    let reason = if text.is_empty() {
        "is empty; allowed are 1 to 256 bytes of UTF-8 without control characters".to_owned()
    } else if text.len() > MAX_ID_BYTES {
        format!("is {} bytes long; at most {MAX_ID_BYTES} bytes are allowed", text.len())
    } else if let Some(c) = text.chars().find(|c| c.is_control()) {
        format!("contains the control character U+{:04X}; control characters are not allowed", c as u32)
    } else {
        return Ok(());
    };
    Err(IllegalId { what, reason })
}

fn check_name(what: &'static str, text: &str) -> Result<(), IllegalId> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let reason = if text.is_empty() {
        "is empty; allowed are 1 to 100 of A-Z a-z 0-9 _ -".to_owned()
    } else if text.len() > MAX_NAME_CHARS {
        format!("is {} bytes long; allowed are 1 to {MAX_NAME_CHARS} of A-Z a-z 0-9 _ -", text.len())
    } else if let Some(c) = text.chars().find(|c| !legal(*c)) {
        format!("contains {c:?}; allowed are 1 to {MAX_NAME_CHARS} of A-Z a-z 0-9 _ -")
    } else {
        return Ok(());
    };
    Err(IllegalId { what, reason })
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a text.
            pub fn new(text: &str) -> Result<Self, IllegalId> {
                $check($what, text)?;
                Ok(Self(Arc::from(text)))
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Through a visitor: one allocation where a `String` on the way would cost three.
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = IllegalId;
            fn from_str(text: &str) -> Result<Self, IllegalId> {
                Self::new(text)
            }
        }
    };
}

text_type!(
    /// The client's key for all runs that belong together: 1 to 256 bytes of UTF-8 without control characters.
    WorkflowId, "workflow_id", check_id
);
text_type!(
    /// The thread that several workflows share. Same alphabet as [`WorkflowId`].
    ConversationId, "conversation_id", check_id
);
text_type!(
    /// A node within its definition: 1 to 100 of `A-Z a-z 0-9 _ -`.
    NodeId, "node_id", check_name
);
text_type!(
    /// Whoever executes nodes with this name. Same alphabet as [`NodeId`].
    AgentName, "agent_name", check_name
);
text_type!(
    /// The name of a definition. Same alphabet as [`NodeId`].
    DefinitionName, "name", check_name
);

fn check_run_id(what: &'static str, text: &str) -> Result<(), IllegalId> {
    if text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(());
    }
    Err(IllegalId { what, reason: "is not 32 lower-case hexadecimal digits".to_owned() })
}

text_type!(
    /// One execution of a definition: 32 lower-case hexadecimal digits, derived from the origin of its start.
    RunId, "run_id", check_run_id
);

fn check_letter_id(what: &'static str, text: &str) -> Result<(), IllegalId> {
    if text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(());
    }
    Err(IllegalId { what, reason: "is not 16 lower-case hexadecimal digits".to_owned() })
}

text_type!(
    /// A dead letter: 16 lower-case hexadecimal digits, derived from the event that made it.
    LetterId, "letter_id", check_letter_id
);

/// (run, node, attempt): the idempotency key that agents see. Written `run_id/node_id/attempt`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DispatchId {
    /// The run.
    pub run_id: RunId,
    /// The node.
    pub node_id: NodeId,
    /// The attempt, counted from 1.
    pub attempt: u32,
}

impl fmt::Display for DispatchId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run_id, self.node_id, self.attempt)
    }
}

impl std::str::FromStr for DispatchId {
    type Err = IllegalId;
    fn from_str(text: &str) -> Result<Self, IllegalId> {
        let fault =
            || IllegalId { what: "dispatch_id", reason: "is not of the form run_id/node_id/attempt".to_owned() };
        let mut parts = text.split('/');
        let (Some(run), Some(node), Some(attempt), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(fault());
        };
        let attempt = attempt.parse().ok().filter(|n| *n > 0).ok_or_else(fault)?;
        Ok(Self { run_id: RunId::new(run)?, node_id: NodeId::new(node)?, attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_illegal_is_refused_by_name() {
        for (text, part) in [("", "is empty"), ("a\nb", "U+000A"), (&"x".repeat(257), "257 bytes")] {
            let fault = WorkflowId::new(text).unwrap_err().to_string();
            assert!(fault.starts_with("workflow_id ") && fault.contains(part), "{fault}");
        }
        for text in ["a b", "ä", "a/b", &"x".repeat(101)] {
            assert!(NodeId::new(text).unwrap_err().to_string().starts_with("node_id "), "{text}");
        }
        for text in ["order 7 / ☕", "'; drop table x; --", &"x".repeat(256)] {
            assert!(WorkflowId::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn dispatch_ids_read_back_as_written() {
        let text = "0123456789abcdef0123456789abcdef/price-check/3";
        assert_eq!(text.parse::<DispatchId>().unwrap().to_string(), text);
        for text in ["", "a/b/c", "0123456789abcdef0123456789abcdef/n/0", "0123456789abcdef0123456789abcdef/n/1/2"] {
            assert!(text.parse::<DispatchId>().is_err(), "{text}");
        }
    }
}
