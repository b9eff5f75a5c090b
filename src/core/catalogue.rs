//! The definitions that have been applied, folded from the records of their topic in the order of the log.

use super::definition::{DefinitionHash, DefinitionRef};
use super::id::DefinitionName;
use super::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// A definition that someone applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Name, version and hash.
    pub reference: DefinitionRef,
    /// When.
    pub applied_at: Timestamp,
    /// The document.
    pub document: Value,
}

/// What applying a document would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The same content is there already, under this version; nothing needs to be written.
    Known(DefinitionRef),
    /// It would get this version.
    New(DefinitionRef),
}

/// All definitions by name and version. Every reader of the same records has the same one.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    by_name: BTreeMap<DefinitionName, BTreeMap<u32, Applied>>,
}

impl Catalogue {
    /// Adds a record, the next of the topic. Content that is there already under this name changes nothing.
    ///
    /// Two people who apply different documents at the same moment may claim one version: the record that stands
    /// first has it, and the other gets the next, for every reader alike. Returns the version that counts.
    pub fn fold(&mut self, mut applied: Applied) -> DefinitionRef {
        if let Placement::Known(reference) = self.place(&applied.reference.name, &applied.reference.hash) {
            return reference;
        }
        let versions = self.by_name.entry(applied.reference.name.clone()).or_default();
        if applied.reference.version == 0 || versions.contains_key(&applied.reference.version) {
            applied.reference.version = versions.last_key_value().map_or(1, |(newest, _)| newest.saturating_add(1));
        }
        let reference = applied.reference.clone();
        versions.insert(reference.version, applied);
        reference
    }

    /// What applying a document with this name and hash would do.
    pub fn place(&self, name: &DefinitionName, hash: &DefinitionHash) -> Placement {
        let versions = self.by_name.get(name);
        let known = versions.and_then(|all| all.values().find(|applied| applied.reference.hash == *hash));
        if let Some(applied) = known {
            return Placement::Known(applied.reference.clone());
        }
        let newest = versions.and_then(|all| all.last_key_value()).map_or(0, |(version, _)| *version);
        Placement::New(DefinitionRef { name: name.clone(), version: newest.saturating_add(1), hash: hash.clone() })
    }

    /// The newest version of a name.
    pub fn newest(&self, name: &str) -> Option<&Applied> {
        self.by_name.get(name)?.last_key_value().map(|(_, applied)| applied)
    }

    /// One version of a name.
    pub fn version(&self, name: &str, version: u32) -> Option<&Applied> {
        self.by_name.get(name)?.get(&version)
    }

    /// The definition with this content, under whatever name and version came first by name.
    pub fn by_hash(&self, hash: &DefinitionHash) -> Option<&Applied> {
        self.by_name.values().flat_map(BTreeMap::values).find(|applied| applied.reference.hash == *hash)
    }

    /// The versions of a name, ascending.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &Applied> {
        self.by_name.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// The newest version of each name, by name.
    pub fn all_newest(&self) -> impl Iterator<Item = &Applied> {
        self.by_name.values().filter_map(|versions| versions.last_key_value().map(|(_, applied)| applied))
    }

    /// Everything, by name and version.
    pub fn all(&self) -> impl Iterator<Item = &Applied> {
        self.by_name.values().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(name: &str, version: u32, content: &str) -> Applied {
        Applied {
            reference: DefinitionRef {
                name: DefinitionName::new(name).unwrap(),
                version,
                hash: DefinitionHash(content.into()),
            },
            applied_at: Timestamp(0),
            document: json!({ "content": content }),
        }
    }

    fn content(applied: Option<&Applied>) -> Option<&str> {
        applied.and_then(|applied| applied.document["content"].as_str())
    }

    #[test]
    fn versions_count_up_and_the_same_content_keeps_its_own() {
        let mut catalogue = Catalogue::default();
        for (version, document) in [(1, "a"), (2, "b")] {
            assert_eq!(catalogue.fold(applied("shop", version, document)).version, version);
        }
        let shop = DefinitionName::new("shop").unwrap();
        let place = |content: &str| catalogue.place(&shop, &DefinitionHash(content.into()));
        assert!(matches!(place("a"), Placement::Known(found) if found.version == 1));
        assert!(matches!(place("c"), Placement::New(found) if found.version == 3));
        assert_eq!(content(catalogue.newest("shop")), Some("b"));
        assert_eq!(content(catalogue.version("shop", 1)), Some("a"));
        assert_eq!(content(catalogue.by_hash(&DefinitionHash("b".into()))), Some("b"));
        assert_eq!((catalogue.newest("office"), catalogue.version("shop", 3)), (None, None));
    }

    #[test]
    fn a_record_that_comes_twice_changes_nothing() {
        let mut catalogue = Catalogue::default();
        catalogue.fold(applied("shop", 1, "a"));
        assert_eq!(catalogue.fold(applied("shop", 2, "a")).version, 1);
        assert_eq!(catalogue.all().count(), 1);
    }

    #[test]
    fn of_two_that_claim_a_version_the_first_in_the_log_has_it() {
        let mut catalogue = Catalogue::default();
        for document in ["a", "b", "c"] {
            catalogue.fold(applied("shop", 1, document));
        }
        let order: Vec<_> = catalogue.versions("shop").map(|a| (a.reference.version, content(Some(a)))).collect();
        assert_eq!(order, [(1, Some("a")), (2, Some("b")), (3, Some("c"))]);
    }
}
