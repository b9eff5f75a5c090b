//! Keeps a client from losing its brokers for good.
//!
//! A broker that is just starting or stopping may answer a question for metadata with no brokers at all. Librdkafka
//! (2.10 and later) then forgets every broker, those to begin with included, and never connects again
//! (<https://github.com/confluentinc/librdkafka/issues/5301>). So after every fault, when a broker has answered someone
//! again, each client is told anew where to begin; and every now and then each is asked whether it has a connection.

use super::raw;
use super::watch::Watch;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a client is asked whether it has a connection.
const CHECK: Duration = Duration::from_secs(15);
/// How long that question may wait: without a connection the answer is there at once, and no other answer is needed.
const GLANCE: Duration = Duration::from_millis(1);

/// What a client's owner calls whenever it polls.
pub(super) struct Lifeline {
    watch: Arc<Watch>,
    recoveries: u64,
    checked: Instant,
}

impl Lifeline {
    /// For a client that was made just now.
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let recoveries = watch.recoveries();
        Self { watch, recoveries, checked: Instant::now() }
    }

    /// Names the brokers to the client again where that may be needed.
    pub(super) fn tend<C: ClientContext>(&mut self, client: &Client<C>) {
        let recoveries = self.watch.recoveries();
        if recoveries != self.recoveries {
            self.recoveries = recoveries;
            raw::add_brokers(client, self.watch.brokers());
        }
        if self.checked.elapsed() >= CHECK {
            self.checked = Instant::now();
            let answer = client.fetch_metadata(Some(self.watch.probe_topic()), GLANCE);
            if answer.is_err_and(|error| error.rdkafka_error_code() == Some(Code::BrokerTransportFailure)) {
                self.watch.suspect("a client has no connection");
            }
        }
    }
}
