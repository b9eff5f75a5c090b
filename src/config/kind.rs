//! The kinds of value: how each is written, read and explained.

use super::agents;
use crate::core::retry::Factor;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within bounds.
    Count {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Seconds, or a number with a unit.
    Duration {
        /// The least, in milliseconds.
        min_ms: u64,
        /// The greatest, in milliseconds.
        max_ms: u64,
    },
    /// Bytes, or a number with a unit.
    Bytes {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// By how much each delay is longer than the one before.
    Factor,
    /// Yes or no.
    Bool,
    /// A level of log lines.
    Level,
    /// One of the words.
    Word(&'static [&'static str]),
    /// `kafka://…` or `sqlite://…`.
    LogUrl,
    /// `postgres://…` or `sqlite://…`.
    StoreUrl,
    /// `http://…` or `https://…`, or nothing.
    HttpUrl,
    /// A socket address, or `off`.
    Address,
    /// The start of topic names.
    Namespace,
    /// A consumer group.
    Group,
    /// Hosts with or without a port, separated by commas.
    Hosts,
    /// Absolute paths of programs, separated by commas.
    Programs,
    /// A folder.
    Folder,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of `Count` and `Bytes`.
    Count(u64),
    /// Of `Duration`.
    Duration(Duration),
    /// Of `Factor`.
    Factor(Factor),
    /// Of `Bool`.
    Bool(bool),
    /// Of `Level`.
    Level(tracing::Level),
    /// Of `Address`; none: off.
    Address(Option<SocketAddr>),
    /// Of `Hosts` (each with its port) and `Programs`.
    List(Vec<String>),
    /// Of `Folder`; none: not given.
    Folder(Option<PathBuf>),
    /// Of `Word`, `LogUrl`, `StoreUrl`, `HttpUrl` (empty: not given), `Namespace` and `Group`.
    Text(String),
}

const LEVELS: [(&str, tracing::Level); 5] = [
    ("ERROR", tracing::Level::ERROR),
    ("WARN", tracing::Level::WARN),
    ("INFO", tracing::Level::INFO),
    ("DEBUG", tracing::Level::DEBUG),
    ("TRACE", tracing::Level::TRACE),
];

impl Kind {
    /// What is allowed, as it is said after "allowed".
    pub fn allowed(&self) -> String {
        match self {
            Self::Count { min, max } => format!("is a whole number from {min} to {max}"),
            Self::Duration { min_ms, max_ms } => format!(
                "are seconds (60, 0.5) or a number with ms, s, m, h or d (24h), from {} to {}",
                write_millis(*min_ms),
                write_millis(*max_ms)
            ),
            Self::Bytes { min, max } => {
                format!("are bytes or a number with KiB or MiB, from {} to {}", write_bytes(*min), write_bytes(*max))
            }
            Self::Factor => "is a number from 1 to 1000, e.g. 1.5".to_owned(),
            Self::Bool => "are true and false".to_owned(),
            Self::Level => format!("are {}", LEVELS.map(|(name, _)| name).join(", ")),
            Self::Word(words) => format!("are {}", words.join(", ")),
            Self::LogUrl => "are kafka://host:port[,host:port…] and sqlite://path/to/log.db".to_owned(),
            Self::StoreUrl => {
                "are postgres://user:password@host:port/database and sqlite://path/to/store.db".to_owned()
            }
            Self::HttpUrl => {
                "is a URL that begins with http:// or https://, e.g. https://user:password@host/path, or nothing"
                    .to_owned()
            }
            Self::Address => "is an address with a port, e.g. 127.0.0.1:7080, or off".to_owned(),
            Self::Namespace => "are 1 to 100 of A-Z a-z 0-9 . _ -".to_owned(),
            Self::Group => "are 1 to 255 characters without control characters".to_owned(),
            Self::Hosts => {
                "are hosts, each with a port (localhost:8080) or without (api.example.com: ports 443 and 80), \
                            separated by commas, or nothing"
                    .to_owned()
            }
            Self::Programs => "are absolute paths of programs, separated by commas, or nothing".to_owned(),
            Self::Folder => "is a path".to_owned(),
        }
    }

    /// Reads a value; `None` where it is not allowed.
    pub fn parse(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        match self {
            Self::Count { min, max } => within(text.parse().ok()?, *min, *max).map(Value::Count),
            Self::Bytes { min, max } => within(parse_bytes(text)?, *min, *max).map(Value::Count),
            Self::Duration { min_ms, max_ms } => {
                within(parse_millis(text)?, *min_ms, *max_ms).map(|ms| Value::Duration(Duration::from_millis(ms)))
            }
            Self::Factor => text.parse::<f64>().ok().and_then(|f| Factor::try_from(f).ok()).map(Value::Factor),
            Self::Bool => parse_bool(text).map(Value::Bool),
            Self::Level => {
                LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, level)| Value::Level(*level))
            }
            Self::Word(words) => {
                words.iter().find(|w| w.eq_ignore_ascii_case(text)).map(|w| Value::Text((*w).to_owned()))
            }
            Self::LogUrl => super::LogTarget::parse(text).map(|_| Value::Text(text.to_owned())),
            Self::StoreUrl => super::StoreTarget::parse(text).map(|_| Value::Text(text.to_owned())),
            Self::HttpUrl => super::targets::is_http_url(text).then(|| Value::Text(text.to_owned())),
            Self::Address if text.eq_ignore_ascii_case("off") => Some(Value::Address(None)),
            Self::Address => text.parse().ok().map(|address| Value::Address(Some(address))),
            Self::Namespace => is_namespace(text).then(|| Value::Text(text.to_owned())),
            Self::Group => {
                let legal = (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                legal.then(|| Value::Text(text.to_owned()))
            }
            Self::Hosts | Self::Programs => {
                let items: Option<Vec<_>> = agents::items(text).map(|item| self.item(item)).collect();
                items.map(|items| Value::List(items.concat()))
            }
            Self::Folder => Some(Value::Folder((!text.is_empty()).then(|| PathBuf::from(text)))),
        }
    }

    /// The items of a list that are not allowed.
    pub fn bad_items<'t>(&self, text: &'t str) -> Vec<&'t str> {
        agents::items(text).filter(|item| self.item(item).is_none()).collect()
    }

    /// What an item of a list means; none where it is not allowed.
    fn item(&self, item: &str) -> Option<Vec<String>> {
        match self {
            Self::Hosts => agents::host(item),
            Self::Programs => agents::program(item),
            _ => Some(vec![item.to_owned()]),
        }
    }
}

fn within(value: u64, min: u64, max: u64) -> Option<u64> {
    (min..=max).contains(&value).then_some(value)
}

fn is_namespace(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Splits `1.5h` into its number and its unit.
fn number_and_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn parse_millis(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text);
    let unit_ms = match unit {
        "" | "s" => 1_000.0,
        "ms" => 1.0,
        "m" | "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let millis = number.parse::<f64>().ok()? * unit_ms;
    (0.0..1e15).contains(&millis).then_some(millis.round() as u64)
}

fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text);
    let unit_bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "kb" => 1_000,
        "mb" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_bytes)
}

fn write_millis(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        _ if ms.is_multiple_of(86_400_000) => format!("{}d", ms / 86_400_000),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

fn write_bytes(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_unless_a_unit_says_otherwise() {
        for (text, ms) in [("60", 60_000), ("0.5", 500), ("250ms", 250), ("24h", 86_400_000), ("2 m", 120_000)] {
            assert_eq!(parse_millis(text), Some(ms), "{text}");
        }
        for text in ["", "soon", "-1", "1y", "NaN", "inf", "1e99", "1.2.3", "."] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_have_units() {
        for (text, bytes) in [("1048576", 1 << 20), ("1MiB", 1 << 20), ("64 kib", 64 << 10), ("2MB", 2_000_000)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "-1", "1.5MiB", "99999999999999999999", "18446744073709551615MiB", "1 TB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_belong_to_the_allowed() {
        let kind = Kind::Count { min: 1, max: 3 };
        assert_eq!(kind.parse("3"), Some(Value::Count(3)));
        assert_eq!((kind.parse("0"), kind.parse("4"), kind.parse("two")), (None, None, None));
    }
}
