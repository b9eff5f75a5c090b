//! A definition by name and version; what is not there is answered with what is.

use crate::core::catalogue::{Applied, Catalogue};
use crate::core::definition::validate::closest;

/// Finds a version, or the newest.
///
/// # Errors
/// A sentence that says what there is instead.
pub fn find<'a>(catalogue: &'a Catalogue, name: &str, version: Option<u32>) -> Result<&'a Applied, String> {
    let versions: Vec<_> = catalogue.versions(name).map(|applied| applied.reference.version.to_string()).collect();
    if versions.is_empty() {
        let near = closest(name, catalogue.all_newest().map(|applied| applied.reference.name.as_str()));
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
        return Err(format!("there is no definition {name:?}{hint}: {}", names(catalogue)));
    }
    let found = version.map_or_else(|| catalogue.newest(name), |version| catalogue.version(name, version));
    let missing = || format!("{name} has no version {}: it has {}", version.unwrap_or_default(), versions.join(", "));
    found.ok_or_else(missing)
}

fn names(catalogue: &Catalogue) -> String {
    let names: Vec<_> = catalogue.all_newest().map(|applied| applied.reference.name.to_string()).collect();
    match names.as_slice() {
        [] => "there are none; `orchestrator definitions apply FILE` makes one known".to_owned(),
        names => format!("there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::definition::{DefinitionHash, DefinitionRef};
    use crate::core::id::DefinitionName;
    use crate::core::time::Timestamp;
    use serde_json::json;

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let mut catalogue = Catalogue::default();
        assert!(find(&catalogue, "shop", None).unwrap_err().contains("there are none"));
        catalogue.fold(Applied {
            reference: DefinitionRef {
                name: DefinitionName::new("shop").unwrap(),
                version: 1,
                hash: DefinitionHash("a".into()),
            },
            applied_at: Timestamp(0),
            document: json!({}),
        });
        assert_eq!(find(&catalogue, "shop", None).unwrap().reference.version, 1);
        assert!(find(&catalogue, "shpo", None).unwrap_err().contains("(did you mean \"shop\"?): there are shop"));
        assert!(!find(&catalogue, "office", None).unwrap_err().contains("did you mean"));
        assert!(find(&catalogue, "office", None).unwrap_err().contains("there are shop"));
        assert!(find(&catalogue, "shop", Some(3)).unwrap_err().contains("it has 1"));
    }
}
