//! Hiding secrets before anything is shown.

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// A URL with its password and whatever parameters hold secrets masked. Rather too much is hidden than too little:
/// a password with `@`, `:`, `/` or `?` that somebody forgot to encode is hidden whole.
pub fn url(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let shown = match rest.rfind('@') {
        // What stands before the `@` may be a password, or a host and the beginning of a secret parameter.
        Some(at) if parameters(&rest[..at]) != rest[..at] => MASK.to_owned(),
        Some(at) => {
            let user = rest[..at].split(':').next().unwrap_or_default();
            let password = if user.len() < at { format!(":{MASK}") } else { String::new() };
            format!("{user}{password}{}", parameters(&rest[at..]))
        }
        None => parameters(rest),
    };
    format!("{scheme}{shown}")
}

/// A text with the values of secret parameters masked: what stands between `?` or `&`, a name and `=`, and the next `&`.
fn parameters(text: &str) -> String {
    let masked = text.split_inclusive(['?', '&']).enumerate().map(|(i, part)| match part.split_once('=') {
        Some((name, value)) if i > 0 && names_a_secret(name) => {
            let end = if value.ends_with('&') { "&" } else { "" };
            format!("{name}={MASK}{end}")
        }
        _ => part.to_owned(),
    });
    masked.collect()
}

/// Whether something called this is a secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token", "key.pem", "oauthbearer.config", "private"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "postgres://u@h/db",
            "postgres://me@db/x?sslmode=require&user=me",
            "kafka://a:9092,b:9092",
            "sqlite://./a/b.db",
            "nonsense",
            "",
        ] {
            assert_eq!(url(text), text);
        }
    }

    #[test]
    fn passwords_are_hidden() {
        for (text, shown) in [
            ("postgres://u:geheim@h:5432/db", "postgres://u:***@h:5432/db"),
            ("postgres://u:ge/he@im@h/db", "postgres://u:***@h/db"),
            ("postgres://u:ge:he/im@h/db", "postgres://u:***@h/db"),
            ("postgres://u:geheim?geheim@h/db", "postgres://u:***@h/db"),
            ("postgres://:geheim@h/db", "postgres://:***@h/db"),
            ("postgres://h/db?password=geheim&sslmode=require", "postgres://h/db?password=***&sslmode=require"),
            ("postgres://h/db?user=me&sslPassword=geheim", "postgres://h/db?user=me&sslPassword=***"),
            ("postgres://u:geheim@h/db?password=geheim", "postgres://u:***@h/db?password=***"),
            ("postgres://h:5432/db?password=ge@heim", "postgres://***"),
            ("postgres://h:5432/db?user=a@b&password=geheim", "postgres://h:***@b&password=***"),
            ("postgres:/u:geheim@h/db", "postgres:***@h/db"),
            ("u:geheim@h/db", "u:***@h/db"),
        ] {
            assert_eq!(url(text), shown);
        }
    }
}
