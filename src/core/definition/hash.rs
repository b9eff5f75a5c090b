//! The hash that pins a definition: SHA-256 over its RFC 8785 form.

use super::DefinitionHash;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The hash of a document: it does not change with white space, comments, the order of members, or whether the
/// document was written as YAML or as JSON.
///
/// # Errors
/// Where the document has no RFC 8785 form, in the words of the library that makes it.
pub fn of(document: &Value) -> Result<DefinitionHash, String> {
    let canonical = serde_json_canonicalizer::to_vec(document).map_err(|e| e.to_string())?;
    Ok(DefinitionHash(Arc::from(hex::encode(Sha256::digest(&canonical)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_is_that_of_the_canonical_form() {
        // printf '{"a":[1,2.5],"b":"ä"}' | sha256sum
        let hash = of(&json!({"b": "ä", "a": [1, 2.5]})).unwrap();
        assert_eq!(hash.to_string(), "e738b52034d02476d960450e3b24458dc66114240edaf8b1fcab576a01ae0897");
        assert_eq!(hash, of(&serde_json::from_str(r#" {"a" : [1.0, 2.50], "b":"\u00e4"} "#).unwrap()).unwrap());
        assert_ne!(hash, of(&json!({"b": "a", "a": [1, 2.5]})).unwrap());
    }
}
