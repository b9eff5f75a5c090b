//! Golden files: what a reviewer reads. `UPDATE_GOLDEN=1 cargo test --test definitions` writes them anew.

use std::path::PathBuf;

/// Holds a text against `tests/golden/definitions/NAME`.
pub fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/definitions").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} differs; expected\n{golden}\nfound\n{text}\n(UPDATE_GOLDEN=1 writes it anew)");
}

/// A file of `examples/definitions`.
pub fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/definitions").join(name);
    std::fs::read_to_string(path).unwrap()
}
