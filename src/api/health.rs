//! `GET /health` (the process lives, no role has failed) and `GET /ready` (every role works), as JSON: 200 or 503.

use super::Status;
use super::status::Report;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

/// The two answers.
pub fn router(status: Arc<Status>) -> Router {
    Router::new().route("/health", get(health)).route("/ready", get(ready)).with_state(status)
}

async fn health(State(status): State<Arc<Status>>) -> (StatusCode, Json<Report>) {
    let report = status.report();
    (code(report.healthy()), Json(report))
}

async fn ready(State(status): State<Arc<Status>>) -> (StatusCode, Json<Report>) {
    let report = status.report();
    (code(report.ready), Json(report))
}

fn code(fine: bool) -> StatusCode {
    if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Answers at an address, on a thread of its own, until the process ends. Returns where (the port may be 0).
///
/// # Errors
/// Where the address is taken or not this machine's.
pub fn serve(address: SocketAddr, status: Arc<Status>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let answer = move || {
        if let Err(error) = runtime.block_on(async move { axum::serve(listener, router(status)).await }) {
            tracing::error!(%address, %error, "health is no longer answered");
        }
    };
    thread::Builder::new().name("http".to_owned()).spawn(answer)?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::{EngineReport, RoleState};
    use serde_json::Value;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn ask(address: SocketAddr, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn the_answers_follow_the_roles() {
        let status = Arc::new(Status::new("log.db".to_owned(), "shop".to_owned(), &["engine"]));
        let address = serve(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::clone(&status)).unwrap();
        assert_eq!((ask(address, "/health").0, ask(address, "/ready").0), (200, 503));

        status.role("engine", RoleState::Ready, None);
        status.engine(EngineReport { partitions: vec![2], taking: vec![], unfinished_runs: 3 });
        let (code, body) = ask(address, "/ready");
        assert_eq!(code, 200);
        assert_eq!(body["roles"]["engine"]["state"], "ready");
        assert_eq!((&body["engine"]["partitions"][0], &body["engine"]["unfinished_runs"]), (&2.into(), &3.into()));

        status.role("engine", RoleState::Failed, Some("the journal is gone".to_owned()));
        let (code, body) = ask(address, "/health");
        assert_eq!((code, &body["roles"]["engine"]["message"]), (503, &"the journal is gone".into()));
    }
}
