//! `estimate-shipping`: what the parcel costs and when it arrives.

use crate::core::failure::Failure;
use crate::demo::shop::data::{Route, Shop, TODAY};
use crate::demo::shop::desk::refuse;
use crate::demo::shop::money::Cents;
use crate::demo::shop::papers::{OrderFound, Parcel};
use jiff::civil::{Date, Weekday};
use serde::Deserialize;

/// The question.
#[derive(Deserialize)]
pub struct Question {
    order: OrderFound,
    /// Products of which one goes into the parcel.
    adding: Vec<String>,
}

/// A parcel of which nobody knows yet what is in it: a bag of coffee.
const USUAL_GRAMS: u32 = 500;
/// Parcels leave on the next working day.
const PACKING_DAYS: u32 = 1;

/// Weighs the parcel and counts working days.
pub fn work(shop: &Shop, question: Question) -> Result<Parcel, Failure> {
    let Question { order, adding } = question;
    let city = &order.city;
    let route = shop.route(city).ok_or_else(|| refuse("no_route", format!("no carrier goes to {city}")))?;
    let added = weigh(shop, &adding)?;
    let before: u32 = order.lines.iter().map(|line| line.grams.saturating_mul(line.quantity)).sum();
    let (grams, added_cost_cents) = if order.open {
        (before + added, price(route, before + added) - price(route, before))
    } else {
        (if added > 0 { added } else { USUAL_GRAMS }, Cents(0))
    };
    Ok(Parcel {
        carrier: route.carrier.clone(),
        same_parcel: order.open,
        grams,
        cost_cents: price(route, grams),
        added_cost_cents,
        from: working_days_after(TODAY, PACKING_DAYS + route.fewest_days)?.to_string(),
        to: working_days_after(TODAY, PACKING_DAYS + route.most_days)?.to_string(),
    })
}

fn weigh(shop: &Shop, skus: &[String]) -> Result<u32, Failure> {
    let grams = |sku: &String| {
        let product = shop.product(sku);
        product
            .map(|product| product.grams)
            .ok_or_else(|| refuse("unknown_product", format!("{sku} is not in the catalogue")))
    };
    skus.iter().map(grams).sum()
}

fn price(route: &Route, grams: u32) -> Cents {
    route.base + route.per_kg.times(grams.div_ceil(1_000))
}

fn working_days_after(day: Date, days: u32) -> Result<Date, Failure> {
    let (mut day, mut left) = (day, days);
    while left > 0 {
        day = day.tomorrow().map_err(|fault| refuse("no_such_day", fault.to_string()))?;
        if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            left -= 1;
        }
    }
    Ok(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::shop::desks::find_order;
    use serde_json::json;

    fn ask(customer: &str, order: u32, adding: &[&str]) -> Parcel {
        let shop = Shop::bundled().unwrap();
        let question = serde_json::from_value(json!({ "customer": customer, "order": order })).unwrap();
        let order = find_order::work(&shop, question).unwrap();
        work(&shop, Question { order, adding: adding.iter().map(|sku| (*sku).to_owned()).collect() }).unwrap()
    }

    #[test]
    fn what_fits_into_the_same_kilogram_costs_nothing() {
        let parcel = ask("C-217", 1042, &["EQ-03"]);
        assert_eq!((parcel.same_parcel, parcel.grams, parcel.added_cost_cents), (true, 1_230, Cents(0)));
        assert_eq!(ask("C-217", 1042, &["EQ-01", "EQ-02"]).added_cost_cents, Cents(60));
    }

    #[test]
    fn weekends_do_not_count() {
        // Packed on Friday, then one or two working days.
        let parcel = ask("C-217", 1042, &[]);
        assert_eq!((parcel.from.as_str(), parcel.to.as_str()), ("2026-03-16", "2026-03-17"));
    }

    #[test]
    fn what_has_left_cannot_be_added_to() {
        let parcel = ask("C-142", 1035, &["ESP-03"]);
        assert_eq!((parcel.same_parcel, parcel.grams), (false, 500));
    }
}
