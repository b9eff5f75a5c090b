//! What is said on the command line of how a fork differs.

use crate::core::id::{AgentName, DefinitionName, NodeId};

/// A definition, and one of its versions or the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: DefinitionName,
    /// The version; none: the newest.
    pub version: Option<u32>,
}

/// Reads `NAME` or `NAME@VERSION`.
///
/// # Errors
/// Where it is not that.
pub fn definition(text: &str) -> Result<Named, String> {
    let (name, version) = match text.split_once('@') {
        None => (text, None),
        Some((name, version)) => {
            let number = version.parse().ok().filter(|version| *version > 0);
            (name, Some(number.ok_or_else(|| format!("expected a version of 1 or more after @, found {version:?}"))?))
        }
    };
    Ok(Named { name: DefinitionName::new(name).map_err(|fault| fault.to_string())?, version })
}

/// Reads `NODE=…`.
///
/// # Errors
/// Where it is not that.
pub fn of_node(text: &str) -> Result<(NodeId, String), String> {
    let (node, rest) = text.split_once('=').ok_or("expected a node, =, and what it gets")?;
    Ok((NodeId::new(node).map_err(|fault| fault.to_string())?, rest.to_owned()))
}

/// Reads `NODE=NAME`.
///
/// # Errors
/// Where it is not that.
pub fn agent(text: &str) -> Result<(NodeId, AgentName), String> {
    let (node, name) = of_node(text)?;
    Ok((node, AgentName::new(&name).map_err(|fault| fault.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_has_a_version_or_is_the_newest() {
        let named = |text| definition(text).map(|named| (named.name.to_string(), named.version));
        assert_eq!(named("shop"), Ok(("shop".to_owned(), None)));
        assert_eq!(named("shop@3"), Ok(("shop".to_owned(), Some(3))));
        for wrong in ["shop@", "shop@0", "shop@new", "@1", ""] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_node_gets_stands_behind_its_name() {
        assert_eq!(
            of_node("a={\"x\":\"=\"}").map(|(node, text)| (node.to_string(), text)),
            Ok(("a".to_owned(), "{\"x\":\"=\"}".to_owned()))
        );
        assert!(of_node("a").is_err() && agent("a=").is_err() && agent("=b").is_err());
    }
}
