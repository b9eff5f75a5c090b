//! The coffee shop: its books (bundled CSV), the desks that read them, and three requests.
//!
//! Reading order: [`data`], [`papers`] (what the desks hand to each other), [`desk`] (a desk as an agent), [`desks`].
//! All of it is invented; the definition and the books lie in `examples/shop/`.

pub mod data;
pub mod desk;
pub mod desks;
pub mod money;
pub mod papers;

use crate::core::failure::Failure;
use crate::core::id::AgentName;
use crate::worker::Agents;
use data::Shop;
use desk::{Desk, Pace};
use desks::{
    check_stock, estimate_shipping, find_order, price_offer, read_message, read_reviews, sum_up, write_answer,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The definition, as its author wrote it.
pub const DEFINITION: &str = include_str!("../../../examples/shop/coffee-shop.yaml");

const REQUESTS: &str = include_str!("../../../examples/shop/requests.json");

/// A request of the demo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShopRequest {
    /// Its `workflow_id`, unless that is taken.
    pub id: String,
    /// Its input.
    pub input: Value,
}

impl ShopRequest {
    /// What the customer wrote.
    pub fn message(&self) -> &str {
        self.input["message"].as_str().unwrap_or_default()
    }
}

/// The three requests.
///
/// # Errors
/// Where the bundled file is not what it should be.
pub fn requests() -> Result<Vec<ShopRequest>, String> {
    serde_json::from_str(REQUESTS).map_err(|fault| format!("examples/shop/requests.json: {fault}"))
}

/// How fast the desks work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempo {
    /// As long as calls of models, shops and databases take.
    Realistic,
    /// At once.
    Instant,
}

impl Tempo {
    fn pace(self, least: u64, most: u64) -> Pace {
        if self == Self::Instant { Pace::NONE } else { Pace { least, most } }
    }
}

/// The desks as agents, by name.
///
/// # Errors
/// Where a bundled book cannot be read.
pub fn agents(tempo: Tempo) -> Result<Agents, String> {
    let shop = Arc::new(Shop::bundled()?);
    let mut agents = Agents::new();
    // What reads or writes with a model takes longer than what looks something up.
    open(&mut agents, "read-message", tempo.pace(250, 450), &shop, read_message::work)?;
    open(&mut agents, "find-order", tempo.pace(180, 420), &shop, find_order::work)?;
    open(&mut agents, "check-stock", tempo.pace(200, 400), &shop, check_stock::work)?;
    open(&mut agents, "read-reviews", tempo.pace(550, 900), &shop, read_reviews::work)?;
    open(&mut agents, "estimate-shipping", tempo.pace(250, 500), &shop, estimate_shipping::work)?;
    open(&mut agents, "price-offer", tempo.pace(150, 350), &shop, price_offer::work)?;
    open(&mut agents, "sum-up", tempo.pace(300, 550), &shop, sum_up::work)?;
    open(&mut agents, "write-answer", tempo.pace(450, 800), &shop, write_answer::work)?;
    Ok(agents)
}

/// Puts a desk among the agents.
fn open<Q: DeserializeOwned + 'static, A: Serialize + 'static>(
    agents: &mut Agents,
    name: &'static str,
    pace: Pace,
    shop: &Arc<Shop>,
    work: fn(&Shop, Q) -> Result<A, Failure>,
) -> Result<(), String> {
    let agent = AgentName::new(name).map_err(|fault| fault.to_string())?;
    agents.insert(agent, Desk::new(name, pace, shop.clone(), work));
    Ok(())
}
