//! The registry's HTTP protocol, as far as it is needed: three calls (Confluent Schema Registry API, version 7).

use super::RegistryError;
use crate::core::mask;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How long an answer may take. At the start everything waits for it, and it is asked again; later only readers of ids
/// that have not been seen before do.
const PATIENCE: Duration = Duration::from_secs(10);
/// The media type of the protocol.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// How much is shown of an answer that is not understood.
const SHOWN_CHARS: usize = 200;

/// A registry. Credentials in its URL are sent by basic authentication and never shown.
pub struct Registry {
    /// Without a slash at the end.
    url: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// What is said with a refusal.
#[derive(Deserialize)]
struct Fault {
    error_code: Option<u64>,
    message: String,
}

#[derive(Deserialize)]
struct WithId {
    id: u32,
}

#[derive(Deserialize)]
struct WithSchema {
    schema: String,
}

/// An answer of the registry.
enum Answer {
    /// 200, and what was asked for.
    Found(Vec<u8>),
    /// 404.
    Unknown,
}

impl Registry {
    /// The registry at a URL: `http://` or `https://`, with or without credentials and path. Nothing is asked yet.
    ///
    /// # Errors
    /// Where this process cannot make HTTP calls at all.
    pub fn new(url: &str) -> std::io::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().map_err(std::io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), http, runtime })
    }

    /// Its URL without password.
    pub fn shown(&self) -> String {
        mask::url(&self.url)
    }

    /// The id of a schema in a subject; none: it is not registered there.
    ///
    /// # Errors
    /// Where the registry does not answer or refuses.
    pub fn find(&self, subject: &str, schema: &str) -> Result<Option<u32>, RegistryError> {
        let what = format!("to look for a schema in the subject {subject}");
        let body = json!({ "schema": schema });
        match self.ask(Method::POST, &format!("/subjects/{subject}"), Some(&body), &what)? {
            Answer::Found(bytes) => self.read::<WithId>(&bytes).map(|found| Some(found.id)),
            Answer::Unknown => Ok(None),
        }
    }

    /// Registers the next version of a subject; returns the schema's id.
    ///
    /// # Errors
    /// Where the registry does not answer, or refuses: the schema is not compatible in its eyes, or we are not allowed.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let what = format!("to register a schema in the subject {subject}");
        let body = json!({ "schema": schema });
        match self.ask(Method::POST, &format!("/subjects/{subject}/versions"), Some(&body), &what)? {
            Answer::Found(bytes) => self.read::<WithId>(&bytes).map(|registered| registered.id),
            Answer::Unknown => Err(self.other("404 Not Found, for a subject that is to be made".to_owned())),
        }
    }

    /// The text of the schema with an id; none: there is no such id.
    ///
    /// # Errors
    /// Where the registry does not answer or refuses.
    pub fn schema(&self, id: u32) -> Result<Option<String>, RegistryError> {
        let what = format!("the schema with the id {id}");
        match self.ask(Method::GET, &format!("/schemas/ids/{id}"), None, &what)? {
            Answer::Found(bytes) => self.read::<WithSchema>(&bytes).map(|found| Some(found.schema)),
            Answer::Unknown => Ok(None),
        }
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>, what: &str) -> Result<Answer, RegistryError> {
        // reqwest takes credentials out of the URL and sends them by basic authentication.
        let mut request = self.http.request(method, format!("{}{path}", self.url)).header("Accept", MEDIA_TYPE);
        if let Some(body) = body {
            request = request.header("Content-Type", MEDIA_TYPE).body(body.to_string());
        }
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let (status, bytes) = answered.map_err(|error| self.away(root(&error.without_url())))?;
        match status {
            StatusCode::OK => Ok(Answer::Found(bytes.to_vec())),
            status if is_passing(status) => Err(self.away(words(status, &bytes))),
            StatusCode::NOT_FOUND if fault(&bytes).is_some() => Ok(Answer::Unknown),
            StatusCode::NOT_FOUND => Err(self.other(words(status, &bytes))),
            status => {
                Err(RegistryError::Refused { at: self.shown(), what: what.to_owned(), words: words(status, &bytes) })
            }
        }
    }

    fn read<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|_| self.other(words(StatusCode::OK, bytes)))
    }

    fn away(&self, reason: String) -> RegistryError {
        RegistryError::Away { at: self.shown(), reason }
    }

    fn other(&self, found: String) -> RegistryError {
        RegistryError::Other { at: self.shown(), found }
    }
}

/// What may pass: the registry is starting, has no leader, or is overloaded, or something before it is.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

fn fault(bytes: &[u8]) -> Option<Fault> {
    serde_json::from_slice(bytes).ok()
}

/// The status and the registry's own words.
fn words(status: StatusCode, bytes: &[u8]) -> String {
    let (text, code) = match fault(bytes) {
        Some(Fault { error_code: Some(code), message }) if code != u64::from(status.as_u16()) => {
            (message, format!(" (error code {code})"))
        }
        Some(Fault { message, .. }) => (message, String::new()),
        None => (String::from_utf8_lossy(bytes).into_owned(), String::new()),
    };
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    if text.is_empty() { format!("{status}{code}") } else { format!("{status}{code}: {text}") }
}

/// The innermost cause: "connection refused" rather than that a request could not be sent.
fn root(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("nothing within {} s", PATIENCE.as_secs());
    }
    let mut cause: &dyn Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_own_words_are_passed_on_in_a_line() {
        let refused = br#"{"error_code":42201,"message":"Invalid\n  schema"}"#;
        let found = words(StatusCode::UNPROCESSABLE_ENTITY, refused);
        assert_eq!(found, "422 Unprocessable Entity (error code 42201): Invalid schema");
        let conflict = br#"{"error_code":409,"message":"incompatible"}"#;
        assert_eq!(words(StatusCode::CONFLICT, conflict), "409 Conflict: incompatible");
        assert_eq!(words(StatusCode::UNAUTHORIZED, b""), "401 Unauthorized");
        assert!(words(StatusCode::OK, "é".repeat(1_000).as_bytes()).len() < 2 * SHOWN_CHARS + 20);
    }

    #[test]
    fn a_password_is_not_shown() {
        let registry = Registry::new("https://me:secret@registry:8081/api/").unwrap();
        assert_eq!(registry.shown(), "https://me:***@registry:8081/api");
        assert_eq!(format!("{registry:?}"), registry.shown());
    }
}
