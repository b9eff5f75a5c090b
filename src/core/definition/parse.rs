//! YAML or JSON text to a document.
