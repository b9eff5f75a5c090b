//! The books of the shop: bundled CSV files, read into small records.

use super::money::Cents;
use jiff::civil::Date;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The day on which the books end, a Thursday. The agents take it for today, so that every run of the demo answers
/// the same.
pub const TODAY: Date = Date::constant(2026, 3, 12);

const CATALOGUE: &str = include_str!("../../../examples/shop/catalogue.csv");
const ORDERS: &str = include_str!("../../../examples/shop/orders.csv");
const ORDER_LINES: &str = include_str!("../../../examples/shop/order_lines.csv");
const REVIEWS: &str = include_str!("../../../examples/shop/reviews.csv");
const SHIPPING: &str = include_str!("../../../examples/shop/shipping.csv");

/// Something that the shop sells.
#[derive(Clone, Debug, Deserialize)]
pub struct Product {
    /// Its number.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// `espresso` or `filter` for coffee, `tool` for the rest.
    pub brew: String,
    /// How dark it is roasted; empty for tools.
    pub roast: String,
    /// Where it grew; empty for tools.
    pub origin: String,
    /// Price of one.
    #[serde(rename = "price_cents")]
    pub price: Cents,
    /// Weight of one.
    pub grams: u32,
    /// How many are there.
    pub stock: u32,
}

/// An order without its lines.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    /// Its number.
    pub order: u32,
    /// The customer's number.
    pub customer: String,
    /// The customer's first name.
    pub first_name: String,
    /// Where it goes.
    pub city: String,
    /// When it was placed.
    #[serde(deserialize_with = "date")]
    pub placed: Date,
    /// How far it is.
    pub status: OrderStatus,
    /// Since when.
    #[serde(deserialize_with = "date")]
    pub changed: Date,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Nobody has begun.
    Placed,
    /// The beans are being roasted.
    Roasting,
    /// The parcel is being packed.
    Packing,
    /// The parcel is on its way.
    Shipped,
    /// The parcel has arrived.
    Delivered,
}

impl OrderStatus {
    /// Whether something can still be put into the parcel.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Placed | Self::Roasting | Self::Packing)
    }
}

/// A line of an order.
#[derive(Clone, Debug, Deserialize)]
pub struct OrderLine {
    /// The order.
    pub order: u32,
    /// The product.
    pub sku: String,
    /// How many.
    pub quantity: u32,
}

/// What a customer thinks of a product.
#[derive(Clone, Debug, Deserialize)]
pub struct Review {
    /// The product.
    pub sku: String,
    /// 1 to 5.
    pub stars: u8,
    /// When.
    #[serde(deserialize_with = "date")]
    pub written: Date,
    /// Who.
    pub first_name: String,
    /// The words.
    pub text: String,
}

/// How parcels get to a city.
#[derive(Clone, Debug, Deserialize)]
pub struct Route {
    /// The city.
    pub city: String,
    /// Who carries them.
    pub carrier: String,
    /// Working days on the way, at best.
    pub fewest_days: u32,
    /// Working days on the way, at worst.
    pub most_days: u32,
    /// Price of a parcel.
    #[serde(rename = "base_cents")]
    pub base: Cents,
    /// Price of every kilogram that it begins.
    #[serde(rename = "per_kg_cents")]
    pub per_kg: Cents,
}

/// All books.
#[derive(Debug)]
pub struct Shop {
    /// What it sells, in the order of the catalogue.
    pub catalogue: Vec<Product>,
    /// All orders, the oldest first.
    pub orders: Vec<Order>,
    /// All reviews, by product and age.
    pub reviews: Vec<Review>,
    lines: BTreeMap<u32, Vec<OrderLine>>,
    routes: BTreeMap<String, Route>,
}

impl Shop {
    /// The bundled books.
    ///
    /// # Errors
    /// Which book cannot be read, and in which line.
    pub fn bundled() -> Result<Self, String> {
        let mut lines: BTreeMap<u32, Vec<OrderLine>> = BTreeMap::new();
        for line in read::<OrderLine>("order_lines.csv", ORDER_LINES)? {
            lines.entry(line.order).or_default().push(line);
        }
        let routes = read::<Route>("shipping.csv", SHIPPING)?;
        Ok(Self {
            catalogue: read("catalogue.csv", CATALOGUE)?,
            orders: read("orders.csv", ORDERS)?,
            reviews: read("reviews.csv", REVIEWS)?,
            lines,
            routes: routes.into_iter().map(|route| (route.city.clone(), route)).collect(),
        })
    }

    /// The product with this number.
    pub fn product(&self, sku: &str) -> Option<&Product> {
        self.catalogue.iter().find(|product| product.sku == sku)
    }

    /// The order with this number.
    pub fn order(&self, number: u32) -> Option<&Order> {
        self.orders.iter().find(|order| order.order == number)
    }

    /// The orders of a customer, the oldest first.
    pub fn orders_of<'a>(&'a self, customer: &'a str) -> impl DoubleEndedIterator<Item = &'a Order> {
        self.orders.iter().filter(move |order| order.customer == customer)
    }

    /// The lines of an order.
    pub fn lines(&self, order: u32) -> &[OrderLine] {
        self.lines.get(&order).map_or(&[], Vec::as_slice)
    }

    /// The reviews of a product, the oldest first.
    pub fn reviews_of<'a>(&'a self, sku: &'a str) -> impl Iterator<Item = &'a Review> {
        self.reviews.iter().filter(move |review| review.sku == sku)
    }

    /// How parcels get to a city.
    pub fn route(&self, city: &str) -> Option<&Route> {
        self.routes.get(city)
    }
}

fn read<T: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<T>, String> {
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    rows.deserialize().collect::<Result<_, _>>().map_err(|fault| format!("examples/shop/{name}: {fault}"))
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|fault| D::Error::custom(format!("{text:?} is not a date: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_agree_with_each_other() {
        let shop = Shop::bundled().unwrap();
        assert_eq!((shop.catalogue.len(), shop.orders.len(), shop.reviews.len()), (15, 40, 60));
        for order in &shop.orders {
            assert!(!shop.lines(order.order).is_empty(), "order {} has no lines", order.order);
            assert!(shop.route(&order.city).is_some(), "no route to {}", order.city);
            assert!(order.placed <= order.changed && order.changed <= TODAY, "order {}", order.order);
        }
        let orders: Vec<u32> = shop.lines.keys().copied().collect();
        assert!(orders.iter().all(|number| shop.order(*number).is_some()));
        let lines = shop.lines.values().flatten().map(|line| &line.sku);
        for sku in lines.chain(shop.reviews.iter().map(|review| &review.sku)) {
            assert!(shop.product(sku).is_some(), "{sku} is not in the catalogue");
        }
        assert!(shop.reviews.iter().all(|review| (1..=5).contains(&review.stars) && review.written <= TODAY));
    }
}
