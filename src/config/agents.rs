//! What the operator allows the built-in agents: hosts and programs, as lists.

/// The ports of a host that is named without one: of `https` and `http`.
const USUAL_PORTS: [u16; 2] = [443, 80];

/// The items of a list: what stands between commas, without those that are empty.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A host as `host:port`: one where the port is named, else one for each of the usual ports; none where it is no host.
pub(super) fn host(item: &str) -> Option<Vec<String>> {
    let (name, ports) = match item.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((name, port)) if !item.ends_with(']') => (name, vec![port.parse().ok().filter(|port| *port > 0)?]),
        _ => (item, USUAL_PORTS.to_vec()),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let shaped = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.chars().all(legal),
    };
    // As the agent reads it: some names of legal letters are no hosts all the same (1.2.3.999).
    let readable = shaped && reqwest::Url::parse(&format!("http://{name}/")).is_ok();
    readable.then(|| ports.iter().map(|port: &u16| format!("{name}:{port}")).collect())
}

/// A program: its absolute path, as it is compared.
pub(super) fn program(item: &str) -> Option<Vec<String>> {
    std::path::Path::new(item).is_absolute().then(|| vec![item.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_port_is_meant_at_the_usual_ones() {
        for (item, found) in [
            ("api.example.com", &["api.example.com:443", "api.example.com:80"][..]),
            ("localhost:8080", &["localhost:8080"]),
            ("[::1]:80", &["[::1]:80"]),
            ("[::1]", &["[::1]:443", "[::1]:80"]),
        ] {
            assert_eq!(host(item).unwrap(), found, "{item}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for item in ["https://a", "a/b", "a:", ":80", "a:0", "a:99999", "a b", "*", "u@a:80", "1.2.3.999", "::1", "[a]"]
        {
            assert_eq!(host(item), None, "{item}");
        }
    }

    #[test]
    fn a_program_has_an_absolute_path() {
        assert_eq!((program("/bin/cat").is_some(), program("cat"), program("./cat")), (true, None, None));
    }
}
