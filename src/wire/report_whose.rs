//! Whose result a report was meant to be that could not be taken.

use super::inbound::Body;
use super::report::KIND;
use crate::core::id::{DispatchId, WorkflowId};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// Whose result a report was meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The workflow, by the key, else by the body.
    pub workflow_id: WorkflowId,
    /// The attempt.
    pub dispatch_id: DispatchId,
}

/// Reads of a refused report whose result it was meant to be: as much of it as stands before whatever is wrong with
/// it, of any size and nesting. None where that cannot be read, and where the report is no result (`started`, or a
/// type that this version does not know).
pub fn whose_result(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Whose> {
    let value = value?;
    let mut peeked = Peeked::default();
    // What is read before a fault stays; the fault has been found by others.
    let _ = match KIND.body(Some(value), usize::MAX) {
        Ok(Body::Avro(avro)) => avro.peek(&mut peeked).is_some(),
        Ok(Body::Json(_)) | Err(_) => {
            (&mut peeked).deserialize(&mut serde_json::Deserializer::from_slice(value)).is_ok()
        }
    };
    let is_result = match &peeked.kind {
        None => true,
        Some(kind) => matches!(kind.as_deref(), Some("completed" | "failed")),
    };
    let by_key = || WorkflowId::new(std::str::from_utf8(key?).ok()?).ok();
    let by_body = || WorkflowId::new(peeked.workflow_id.as_deref()?).ok();
    let workflow_id = by_key().or_else(by_body).filter(|_| is_result)?;
    Some(Whose { workflow_id, dispatch_id: peeked.dispatch_id.as_deref()?.parse().ok()? })
}

/// What has been read so far.
#[derive(Default)]
struct Peeked {
    /// Some(None): it is no text.
    kind: Option<Option<String>>,
    dispatch_id: Option<String>,
    workflow_id: Option<String>,
}

impl<'de> DeserializeSeed<'de> for &mut Peeked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Peeked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<str>>()? {
            match name.as_ref() {
                "type" => self.kind = Some(map.next_value::<Text>()?.0),
                "dispatch_id" => self.dispatch_id = map.next_value::<Text>()?.0,
                "workflow_id" => self.workflow_id = map.next_value::<Text>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A text; none where something else stands in its place, which is not what is to be found out here.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Found {
            Text(String),
            Other(IgnoredAny),
        }
        Ok(Self(match Found::deserialize(deserializer)? {
            Found::Text(text) => Some(text),
            Found::Other(IgnoredAny) => None,
        }))
    }
}
