//! Requests that are odd and yet run: without key, in the wrong partition, sent twice, with an id that is taken.

use super::{CHAIN, Watched, count, is_at};
use crate::support::{Installation, Leg};
use bytes::Bytes;
use orchestrator::log::{Header, NewRecord, Topic};
use serde_json::{Value, json};

/// A request at a place of one's choice.
fn request(key: Option<&str>, partition: u32, body: &Value, headers: Vec<Header>) -> NewRecord {
    NewRecord {
        topic: Topic::Requests,
        partition: Some(partition),
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from(body.to_string())),
        headers,
    }
}

fn body() -> Value {
    json!({ "definition": "chain", "input": { "text": "hello" } })
}

#[test]
fn a_request_without_key_gets_an_id_of_its_partition() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        for partition in 0..4 {
            let place = watched.at.publish(request(None, partition, &body(), vec![]));
            let started = watched.event("the start of a request without key", |event| {
                event["type"] == "WorkflowStarted" && is_at(&event["data"]["origin"], "requests", place)
            });
            let id = started["workflow_id"].as_str().expect("an id").to_owned();
            assert!(id.starts_with("wf-") && watched.at.home(&id) == partition, "{id}");
            assert_eq!(watched.answer(&id)["status"], "completed");
        }
        watched.at.judge(4);
    }
}

#[test]
fn a_request_in_the_wrong_partition_is_sent_home_and_runs_once() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let named = json!({ "definition": "chain", "input": { "text": "hello" }, "workflow_id": "named ☕" });
        for (id, key, body) in [("strayed", Some("strayed"), body()), ("named ☕", None, named)] {
            let wrong = (watched.at.home(id) + 1) % 4;
            let place = watched.at.publish(request(key, wrong, &body, vec![]));
            assert_eq!(watched.answer(id)["answer"], json!({ "first": { "text": "hello" } }));
            let forwarded = watched.event("its forwarding", |event| {
                event["type"] == "InputForwarded" && is_at(&event["data"]["origin"], "requests", place)
            });
            assert_eq!(
                (&forwarded["data"]["to_partition"], &forwarded["data"]["workflow_id"]),
                (&watched.at.home(id).into(), &id.into())
            );
            let started =
                watched.event("its start", |event| event["type"] == "WorkflowStarted" && event["workflow_id"] == id);
            assert!(is_at(&started["data"]["origin"], "requests", place), "the first origin counts: {started}");

            // Sent again, to the same wrong partition and to the right one.
            for partition in [wrong, watched.at.home(id)] {
                let again = watched.at.publish(request(key, partition, &body, vec![]));
                assert_eq!(watched.refusal("the same request again", again)["reason"], "duplicate");
            }
        }
        watched.goes_on(0);
        watched.at.judge(3);
    }
}

#[test]
fn a_request_sent_twice_runs_once_and_its_id_is_taken() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let home = watched.at.home("w");
        let other = json!({ "definition": "chain", "input": { "text": "other" } });
        let twice = watched.at.publish_all(vec![
            request(Some("w"), home, &body(), vec![]),
            request(Some("w"), home, &body(), vec![]),
            request(Some("w"), home, &other, vec![]),
        ]);
        let answer = watched.answer("w");
        let after_the_end = watched.at.publish(request(Some("w"), home, &body(), vec![]));
        for place in [twice[1], after_the_end] {
            let refusal = watched.refusal("a repeated request", place);
            assert_eq!((&refusal["reason"], &refusal["run_id"]), (&"duplicate".into(), &answer["run_id"]));
            watched.rejection("a repeated request", "requests", place, "duplicate");
        }
        let conflict_after_the_end = watched.at.publish(request(Some("w"), home, &other, vec![]));
        for place in [twice[2], conflict_after_the_end] {
            assert_eq!(watched.refusal("a request whose id is taken", place)["reason"], "id_conflict");
            watched.dead_letter("a request whose id is taken", "requests", place, "id_conflict");
        }
        watched.goes_on(home);
        watched.at.judge(2);
    }
}

/// The header by which the engine marks what it has forwarded is no secret: whoever may publish requests may write it.
#[test]
fn a_forged_origin_makes_no_two_runs_one() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let forged = |text: &str| vec![("orchestrator_origin".into(), Bytes::copy_from_slice(text.as_bytes()))];
        let mut runs = Vec::new();
        for id in ["a", "b", "c", "d"] {
            watched.at.publish(request(Some(id), watched.at.home(id), &body(), forged("requests/0/7/1700000000000")));
            runs.push(watched.answer(id)["run_id"].clone());
        }
        runs.sort_by_key(Value::to_string);
        runs.dedup();
        assert_eq!(runs.len(), 4, "each workflow has a run of its own");
        for (partition, rubbish) in
            ["", "requests/0/7", "requests/-1/7/1", "x/99/18446744073709551615/1"].into_iter().enumerate()
        {
            let id = format!("rubbish {partition}");
            watched.at.publish(request(Some(&id), watched.at.home(&id), &body(), forged(rubbish)));
            assert_eq!(watched.answer(&id)["status"], "completed", "{rubbish}");
        }
        for partition in 0..4 {
            watched.goes_on(partition);
        }
    }
}

/// A refusal goes to whoever waits at the origin that it names.
#[test]
fn a_forged_origin_makes_no_refusal_of_another_clients_request() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let home = watched.at.home("victim");
        let (_, offset) = watched.at.publish(request(Some("victim"), home, &body(), vec![]));
        watched.answer("victim");
        let forged = |partition: u32, offset: u64| {
            let origin = format!("requests/{partition}/{offset}/1700000000000");
            vec![("orchestrator_origin".into(), Bytes::from(origin))]
        };
        let elsewhere = (home + 1) % 4;
        let unknown = json!({ "definition": "tea", "input": {} });
        let rubbish = json!(["no request"]);
        let cases = [
            ("rubbish", Some("forger"), watched.at.home("forger"), &rubbish, "malformed"),
            ("a request of no definition, without key", None, elsewhere, &unknown, "unknown_definition"),
            ("one in the victim's own partition", Some("victim"), home, &unknown, "unknown_definition"),
            ("one in the wrong partition", Some("victim"), elsewhere, &unknown, "wrong_partition"),
        ];
        for (what, key, partition, body, reason) in cases {
            let place = watched.at.publish(request(key, partition, body, forged(home, offset)));
            assert_eq!(watched.refusal(what, place)["reason"], reason, "{what}");
            watched.dead_letter(what, "requests", place, reason);
        }
        let named = |response: &Value| is_at(&response["origin"], "requests", (home, offset));
        assert_eq!(count(&mut watched.responses, |response| named(response)), 0, "nothing is said to the victim");
    }
}

/// The id of a request without key derives from where it stands, and nobody can make that up.
#[test]
fn a_forged_origin_takes_no_other_requests_id() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let place = watched.at.publish(request(None, 0, &body(), vec![]));
        let started = |watched: &mut Watched, place: (u32, u64)| {
            let event = watched.event("its start", |event| {
                event["type"] == "WorkflowStarted" && is_at(&event["data"]["origin"], "requests", place)
            });
            event["workflow_id"].clone()
        };
        let first = started(&mut watched, place);
        let mut requests = watched.at.stream(Topic::Requests);
        let record = requests.wait("the request", |record| (record.partition, record.offset) == place);
        let origin = format!("requests/0/{}/{}", place.1, record.time.as_millis());
        let forged = vec![("orchestrator_origin".into(), Bytes::from(origin))];
        let other = watched.at.publish(request(None, 1, &body(), forged));
        let second = started(&mut watched, other);
        assert_ne!(first, second, "each has an id of its own");
    }
}
