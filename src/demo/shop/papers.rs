//! What the desks hand to each other. Each is the output of one node and a part of the input of others.

use super::data::OrderStatus;
use super::money::Cents;
use serde::{Deserialize, Serialize};

/// What a customer is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Where is my order, and can it be changed?
    Order,
    /// What should I buy?
    Advice,
    /// Something is wrong.
    Complaint,
}

/// A message, understood. From `read-message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    /// What it is about.
    pub intent: Intent,
    /// The order that it names.
    pub order: Option<u32>,
    /// The products that it names, in the order of the catalogue.
    pub products: Vec<String>,
    /// The way of making coffee that it names.
    pub brew: Option<String>,
    /// The price that it wants to stay below.
    pub budget_cents: Option<Cents>,
    /// How many pieces something is wrong with.
    pub pieces: u32,
    /// The words that say what is wrong.
    pub problems: Vec<String>,
}

/// An order with its lines and its customer. From `find-order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFound {
    /// Its number.
    pub order: u32,
    /// The customer's number.
    pub customer: String,
    /// The customer's first name.
    pub first_name: String,
    /// Where it goes.
    pub city: String,
    /// When it was placed, `YYYY-MM-DD`.
    pub placed: String,
    /// How far it is.
    pub status: OrderStatus,
    /// Since when, `YYYY-MM-DD`.
    pub changed: String,
    /// Whether something can still be put into the parcel.
    pub open: bool,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// How many orders the customer has placed, this one included.
    pub orders_so_far: u32,
    /// Everything that the customer has bought before or with it.
    pub bought: Vec<String>,
}

/// A line of an order, with what the catalogue says of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// The price of one.
    pub price_cents: Cents,
    /// The weight of one.
    pub grams: u32,
}

/// What there is of the products in question. From `check-stock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Those that can be sent today.
    pub available: Vec<Item>,
    /// The names of those that cannot.
    pub sold_out: Vec<String>,
    /// How many products were looked at.
    pub looked_at: usize,
}

/// A product that can be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The product.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// How dark it is roasted.
    pub roast: String,
    /// Where it grew.
    pub origin: String,
    /// The price of one.
    pub price_cents: Cents,
    /// The weight of one.
    pub grams: u32,
    /// How many are there.
    pub stock: u32,
}

/// What customers say. From `read-reviews`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinions {
    /// By product, the best first.
    pub ratings: Vec<Rating>,
    /// The same complaint, by others, of late.
    pub alike: Alike,
}

/// What customers say of one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The product.
    pub sku: String,
    /// How many reviews.
    pub reviews: usize,
    /// Their mean, to two places.
    pub stars: f64,
    /// The mean drawn towards the ordinary, the more so the fewer reviews there are.
    pub score: f64,
    /// The newest of the best, and who wrote it.
    pub quote: String,
}

/// How often a complaint was heard from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alike {
    /// Reviews that use the same words.
    pub count: usize,
    /// Of so many.
    pub of: usize,
    /// Written in the last so many days.
    pub days: u32,
}

/// What a parcel costs and when it arrives. From `estimate-shipping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Who carries it.
    pub carrier: String,
    /// Whether it is the order's own parcel (else a new one).
    pub same_parcel: bool,
    /// Its weight.
    pub grams: u32,
    /// What it costs.
    pub cost_cents: Cents,
    /// What of that comes from what is added to an order.
    pub added_cost_cents: Cents,
    /// The first day on which it may arrive, `YYYY-MM-DD`.
    pub from: String,
    /// The last such day, `YYYY-MM-DD`.
    pub to: String,
}

/// What the shop offers. From `price-offer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Offer {
    /// An open order with something added.
    Addition {
        /// What is added, one of each.
        added: Vec<Item>,
        /// The goods before, after the discount of that size.
        before_cents: Cents,
        /// The goods after.
        after_cents: Cents,
        /// The discount before.
        before_percent: u8,
        /// The discount after.
        after_percent: u8,
    },
    /// The customer's own prices.
    Prices {
        /// By product.
        prices: Vec<OwnPrice>,
        /// What regular customers get.
        percent: u8,
    },
    /// A refund.
    Refund {
        /// What is refunded.
        name: String,
        /// How many of it.
        pieces: u32,
        /// What was paid for them.
        refund_cents: Cents,
        /// Whether it could be sent anew instead.
        replaceable: bool,
        /// On top.
        voucher_cents: Cents,
    },
}

/// A product at a customer's own price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPrice {
    /// The product.
    pub sku: String,
    /// What everybody pays.
    pub price_cents: Cents,
    /// What this customer pays.
    pub own_cents: Cents,
}

/// Everything that the answer has to say. From `sum-up`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Whom it is for.
    pub first_name: String,
    /// The matter.
    #[serde(flatten)]
    pub matter: Matter,
}

/// The matter of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "matter", rename_all = "snake_case")]
pub enum Matter {
    /// How far an order is, and what it would be with something added.
    Order {
        /// Its number.
        order: u32,
        /// How far it is.
        status: OrderStatus,
        /// When it arrives.
        parcel: Parcel,
        /// What can be added.
        added: Vec<Item>,
        /// What was asked for and is not there.
        sold_out: Vec<String>,
        /// What more it costs, all in all.
        more_cents: Cents,
        /// What it costs then, all in all.
        total_cents: Cents,
        /// The discount then.
        percent: u8,
    },
    /// What to buy.
    Advice {
        /// The choice.
        choice: Item,
        /// What customers say of it.
        rating: Rating,
        /// At this customer's price.
        own_cents: Cents,
        /// How many others were in the running, by name.
        others: Vec<String>,
        /// Those that would have been if they were there.
        sold_out: Vec<String>,
        /// How it gets there.
        parcel: Parcel,
        /// What the customer has had that is like it.
        had: Option<String>,
    },
    /// What is offered for what went wrong.
    Complaint {
        /// The order.
        order: u32,
        /// What went wrong, in the customer's words.
        problems: Vec<String>,
        /// The product.
        name: String,
        /// How many.
        pieces: u32,
        /// Others who had it.
        alike: Alike,
        /// The money back.
        refund_cents: Cents,
        /// Or a new one by this day.
        replaced_by: Option<String>,
        /// On top.
        voucher_cents: Cents,
    },
}

/// The answer. From `write-answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it is about.
    pub subject: String,
    /// The words.
    pub text: String,
}
