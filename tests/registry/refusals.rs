//! What a registry may say besides what is wanted of it, and what becomes of it.

use crate::player::Player;
use orchestrator::registry::{Registry, RegistryError, register_events};
use std::net::TcpListener;

fn said(player: &Player) -> RegistryError {
    register_events(&Registry::new(&player.url()).unwrap(), "shop.events").unwrap_err()
}

const UNKNOWN: &str = r#"{"error_code":40401,"message":"Subject not found."}"#;

#[test]
fn an_incompatible_schema_is_refused_with_the_registrys_words() {
    let player = Player::new(|asked| match asked.line.ends_with("/versions") {
        true => (409, r#"{"error_code":409,"message":"Schema being registered is incompatible"}"#.to_owned()),
        false => (404, UNKNOWN.to_owned()),
    });
    let error = said(&player);
    assert!(matches!(error, RegistryError::Refused { .. }), "{error:?}");
    let subject = "shop.events-orchestrator.events.v1.BreakerChanged";
    let expected = format!(
        "the schema registry at {} refuses to register a schema in the subject {subject}: 409 Conflict: Schema being \
         registered is incompatible",
        player.url()
    );
    assert_eq!(error.to_string(), expected);
    let lines: Vec<_> = player.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, [format!("POST /subjects/{subject}"), format!("POST /subjects/{subject}/versions")]);
}

#[test]
fn a_registry_that_lets_nobody_in_says_so() {
    for (status, words) in [(401, "401 Unauthorized"), (403, "403 Forbidden: no")] {
        let player = Player::new(move |_| (status, if status == 403 { "no" } else { "" }.to_owned()));
        let error = said(&player);
        assert!(matches!(&error, RegistryError::Refused { words: found, .. } if found == words), "{error:?}");
    }
}

#[test]
fn what_may_pass_is_away() {
    for status in [408, 429, 500, 502, 503, 504] {
        let player = Player::always(status, r#"{"error_code":50003,"message":"no leader"}"#);
        let error = said(&player);
        assert!(matches!(&error, RegistryError::Away { reason, .. } if reason.contains("no leader")), "{error:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = register_events(&Registry::new(&format!("http://{nobody}")).unwrap(), "shop.events").unwrap_err();
    assert!(matches!(&error, RegistryError::Away { reason, .. } if reason.contains("refused")), "{error:?}");
}

#[test]
fn what_is_no_registry_is_named() {
    for (status, body) in [(404, "<h1>Not Found</h1>"), (200, "<h1>Hello</h1>"), (200, r#"{"id":"seven"}"#)] {
        let error = said(&Player::always(status, body));
        assert!(matches!(&error, RegistryError::Other { .. }), "{status} {body}: {error:?}");
        assert!(error.to_string().contains("its URL may need a path"), "{error}");
    }
}

#[test]
fn credentials_are_sent_and_never_said() {
    let player = Player::always(403, r#"{"error_code":40301,"message":"User is denied"}"#);
    let url = format!("http://me:s%2Fecret@{}/base/", player.address);
    let error = register_events(&Registry::new(&url).unwrap(), "shop.events").unwrap_err();
    let asked = player.asked();
    // me:s/ecret
    assert_eq!(asked[0].authorization.as_deref(), Some("Basic bWU6cy9lY3JldA=="));
    assert!(asked[0].line.starts_with("POST /base/subjects/shop.events-orchestrator."), "{asked:?}");
    for words in [error.to_string(), format!("{error:?}")] {
        assert!(words.contains("me:***@") && !words.contains("ecret"), "{words}");
    }
    let away = format!("http://me:s%2Fecret@{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = register_events(&Registry::new(&away).unwrap(), "shop.events").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ecret"), "{error}");
}
