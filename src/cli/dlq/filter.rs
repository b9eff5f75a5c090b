//! Which dead letters, as flags.

use crate::cli::since::{Since, since};
use crate::core::failure::FailureClass;
use crate::core::time::Timestamp;
use crate::store::letter::{LetterFilter, LetterKind, LetterState};
use clap::builder::PossibleValuesParser;

/// The flags that tell letters apart.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Of this fault alone: its fingerprint, or the first digits of it
    #[arg(long, value_name = "FINGERPRINT", value_parser = digits)]
    pub fault: Option<String>,
    /// Exhausted nodes or refused inputs alone
    #[arg(long, value_parser = PossibleValuesParser::new(LetterKind::ALL.map(LetterKind::as_str)))]
    pub kind: Option<String>,
    /// Nodes of this agent alone
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Failures of this class alone
    #[arg(long, value_parser = PossibleValuesParser::new(FailureClass::ALL.map(FailureClass::as_str)))]
    pub class: Option<String>,
    /// With this code alone; of a refused input its reason
    #[arg(long, value_name = "WORD")]
    pub code: Option<String>,
    /// Of this workflow alone
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub workflow: Option<String>,
    /// Nodes of runs of this definition alone
    #[arg(long, value_name = "NAME")]
    pub definition: Option<String>,
    /// Since when: a duration before now (90s, 15m, 24h), a time (RFC 3339) or a date
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
}

impl Which {
    /// Whether no flag is given, so that every letter is meant.
    pub fn is_empty(&self) -> bool {
        let Self { fault, kind, agent, class, code, workflow, definition, since } = self;
        [fault, kind, agent, class, code, workflow, definition].into_iter().all(Option::is_none) && since.is_none()
    }

    /// As the store is asked.
    pub fn filter(&self, state: Option<LetterState>, limit: usize) -> LetterFilter {
        let find = |word: &str| LetterKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        let class = |word: &str| FailureClass::ALL.into_iter().find(|class| class.as_str() == word);
        LetterFilter {
            id: None,
            group: self.fault.clone(),
            state,
            kind: self.kind.as_deref().and_then(find),
            agent: self.agent.clone(),
            class: self.class.as_deref().and_then(class),
            code: self.code.clone(),
            workflow: self.workflow.clone(),
            definition: self.definition.clone(),
            since: self.since.map_or(Timestamp(0), Since::time),
            below: None,
            limit,
        }
    }
}

/// The first digits of an id or a fingerprint, 4 to 16 of them.
///
/// # Errors
/// Where they are not that.
pub fn digits(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    let legal = (4..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if legal { Ok(text) } else { Err("expected 4 to 16 hexadecimal digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_few_or_all() {
        assert_eq!(digits("3F2a"), Ok("3f2a".to_owned()));
        for bad in ["3f2", "", "0123456789abcdef0", "xyz1", "12 4"] {
            assert!(digits(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_filter_with_a_flag_is_not_empty() {
        assert!(Which::default().is_empty());
        assert!(!Which { since: Some(Since::At(Timestamp(0))), ..Which::default() }.is_empty());
    }
}
