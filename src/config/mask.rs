//! Hiding secrets before anything is shown.

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// A URL with its password and whatever parameters hold secrets masked. Rather too much is hidden than too little:
/// a password with an unescaped `/` or `@` is hidden whole.
pub fn url(text: &str) -> String {
    let Some(start) = text.find("://").map(|i| i + 3) else { return text.to_owned() };
    let (scheme, rest) = text.split_at(start);
    let rest = match rest.rfind('@') {
        Some(at) => {
            let user = rest[..at].split(':').next().unwrap_or_default();
            let password = if user.len() < at { format!(":{MASK}") } else { String::new() };
            format!("{user}{password}{}", &rest[at..])
        }
        None => rest.to_owned(),
    };
    format!("{scheme}{}", parameters(&rest))
}

fn parameters(rest: &str) -> String {
    let Some((place, query)) = rest.split_once('?') else { return rest.to_owned() };
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if names_a_secret(key) => format!("{key}={MASK}"),
        _ => pair.to_owned(),
    });
    format!("{place}?{}", masked.collect::<Vec<_>>().join("&"))
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
    fn passwords_in_urls_are_hidden() {
        for (text, shown) in [
            ("postgres://u:p@h:5432/db", "postgres://u:***@h:5432/db"),
            ("postgres://u:p/w@x@h/db", "postgres://u:***@h/db"),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("postgres://h/db?password=p&sslmode=require", "postgres://h/db?password=***&sslmode=require"),
            ("postgres://:p@h/db", "postgres://:***@h/db"),
            ("sqlite://a/b.db", "sqlite://a/b.db"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(url(text), shown);
        }
    }
}
