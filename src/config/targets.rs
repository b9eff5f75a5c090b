//! Where log and store are: the two URLs, the folder that stands for both, and the kind of store.

use super::Source;
use super::fault::ConfigFault;
use super::table;
use crate::core::mask;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Kafka: `host:port[,host:port…]`.
    Kafka {
        /// The brokers to begin with.
        brokers: String,
    },
    /// A file.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
}

impl LogTarget {
    /// Reads a URL; `None` where it is not one of a log.
    pub fn parse(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return (!path.is_empty()).then(|| Self::Sqlite { path: path.into() });
        }
        let brokers = url.strip_prefix("kafka://")?.trim_end_matches('/');
        brokers.split(',').all(is_host_and_port).then(|| Self::Kafka { brokers: brokers.to_owned() })
    }

    /// As a URL.
    pub fn url(&self) -> String {
        match self {
            Self::Kafka { brokers } => format!("kafka://{brokers}"),
            Self::Sqlite { path } => format!("sqlite://{}", path.display()),
        }
    }
}

fn is_host_and_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else { return false };
    let legal = |c: char| !c.is_whitespace() && !"/@?#".contains(c);
    !host.is_empty() && host.chars().all(legal) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Postgres.
    Postgres,
    /// A file.
    Sqlite,
}

impl StoreKind {
    /// The word used in ORCHESTRATOR_STATE_STORAGE.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreTarget {
    /// Which kind.
    pub kind: StoreKind,
    /// The URL, with its password: show [`StoreTarget::shown`].
    pub url: String,
}

impl StoreTarget {
    /// Reads a URL; `None` where it is not one of a store.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let kind = match scheme {
            "postgres" | "postgresql" => StoreKind::Postgres,
            "sqlite" => StoreKind::Sqlite,
            _ => return None,
        };
        // As the store reads it: a port that is no number is found before anything starts.
        let readable = kind == StoreKind::Sqlite || url.parse::<sqlx::postgres::PgConnectOptions>().is_ok();
        (!rest.is_empty() && readable).then(|| Self { kind, url: url.to_owned() })
    }

    /// The URL without its password.
    pub fn shown(&self) -> String {
        mask::url(&self.url)
    }
}

impl fmt::Debug for StoreTarget {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A URL of HTTP, with its password: show [`HttpTarget::shown`].
#[derive(Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// The URL.
    pub url: String,
}

impl HttpTarget {
    /// The URL without its password.
    pub fn shown(&self) -> String {
        mask::url(&self.url)
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Whether a text is a URL of HTTP to which paths can be added, or nothing.
pub(super) fn is_http_url(text: &str) -> bool {
    let is_legal = |url: reqwest::Url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    };
    text.is_empty() || reqwest::Url::parse(text).is_ok_and(is_legal)
}

/// The log of a data folder.
pub fn log_of_folder(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("log.db").display())
}

/// The store of a data folder.
pub fn store_of_folder(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("store.db").display())
}

/// A value as somebody gave it: what an error names.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The variable or the flag.
    pub by: String,
    /// The value.
    pub text: String,
    /// Where from; never `Default`.
    pub source: Source,
}

impl Given {
    /// A flag beats the environment.
    fn rank(&self) -> u8 {
        u8::from(self.source == Source::Flag)
    }
}

/// A value with the reason it has.
pub(super) type Reasoned = (String, Source);

/// Settles one URL: given by itself, by the folder, or by nobody.
pub(super) fn settle(
    url: Option<&Given>,
    folder: Option<&Given>,
    of_folder: fn(&Path) -> String,
    otherwise: Reasoned,
) -> Result<Reasoned, ConfigFault> {
    let by_folder = |given: &Given| (of_folder(Path::new(&given.text)), Source::Follows(given.by.clone()));
    match (url, folder) {
        (None, None) => Ok(otherwise),
        (Some(url), None) => Ok((url.text.clone(), url.source.clone())),
        (None, Some(folder)) => Ok(by_folder(folder)),
        (Some(url), Some(folder)) if url.rank() > folder.rank() => Ok((url.text.clone(), url.source.clone())),
        (Some(url), Some(folder)) if folder.rank() > url.rank() => Ok(by_folder(folder)),
        (Some(url), Some(folder)) => Err(ConfigFault {
            name: url.by.clone(),
            value: mask::url(&url.text),
            allowed: format!(
                "is only one of it and {} ({:?}), which stands for both URLs; remove one",
                folder.by, folder.text
            ),
        }),
    }
}

/// The default of the store's URL by the kind that was asked for.
pub(super) fn default_store(kind: Option<&Given>) -> Reasoned {
    match kind {
        Some(kind) if kind.text.trim().eq_ignore_ascii_case("sqlite") => {
            (table::DEFAULT_SQLITE_STORE_URL.to_owned(), Source::Follows(kind.by.clone()))
        }
        _ => (table::DEFAULT_STORE_URL.to_owned(), Source::Default),
    }
}

/// Refuses a kind of store that was asked for together with a store of another kind.
pub(super) fn check_kind(kind: Option<&Given>, store: &Reasoned, store_by: &str) -> Result<(), ConfigFault> {
    let (Some(kind), Some(target)) = (kind, StoreTarget::parse(&store.0)) else { return Ok(()) };
    if kind.text.trim().eq_ignore_ascii_case(target.kind.as_str()) {
        return Ok(());
    }
    Err(ConfigFault {
        name: kind.by.clone(),
        value: kind.text.clone(),
        allowed: format!(
            "is {} as long as {store_by} is {}, a store of that kind; change or remove one of the two",
            target.kind.as_str(),
            target.shown(),
        ),
    })
}
