//! `find-order`: the order that a customer means, or the newest one.

use crate::core::failure::Failure;
use crate::demo::shop::data::{Order, Shop};
use crate::demo::shop::desk::refuse;
use crate::demo::shop::papers::{Line, OrderFound};
use serde::Deserialize;

/// The question.
#[derive(Deserialize)]
pub struct Question {
    customer: String,
    order: Option<u32>,
}

/// Looks the order up, with its lines and its customer's history.
pub fn work(shop: &Shop, question: Question) -> Result<OrderFound, Failure> {
    let order = find(shop, &question)?;
    let upto: Vec<&Order> = shop.orders_of(&order.customer).filter(|other| other.order <= order.order).collect();
    let mut bought: Vec<String> =
        upto.iter().flat_map(|order| shop.lines(order.order)).map(|line| line.sku.clone()).collect();
    bought.sort();
    bought.dedup();
    Ok(OrderFound {
        order: order.order,
        customer: order.customer.clone(),
        first_name: order.first_name.clone(),
        city: order.city.clone(),
        placed: order.placed.to_string(),
        status: order.status,
        changed: order.changed.to_string(),
        open: order.status.is_open(),
        lines: lines(shop, order)?,
        orders_so_far: u32::try_from(upto.len()).unwrap_or(u32::MAX),
        bought,
    })
}

fn find<'a>(shop: &'a Shop, question: &'a Question) -> Result<&'a Order, Failure> {
    let Question { customer, order } = question;
    let Some(number) = order else {
        let newest = shop.orders_of(customer).next_back();
        return newest.ok_or_else(|| refuse("unknown_customer", format!("customer {customer} has no orders")));
    };
    let order = shop.order(*number).ok_or_else(|| {
        let span = shop.orders.first().zip(shop.orders.last()).map_or((0, 0), |(a, b)| (a.order, b.order));
        refuse("unknown_order", format!("there is no order {number}; the books hold {} to {}", span.0, span.1))
    })?;
    if order.customer == *customer {
        return Ok(order);
    }
    Err(refuse("not_your_order", format!("order {number} is not one of customer {customer}")))
}

fn lines(shop: &Shop, order: &Order) -> Result<Vec<Line>, Failure> {
    let line = |line: &crate::demo::shop::data::OrderLine| {
        let product = shop.product(&line.sku);
        let product =
            product.ok_or_else(|| refuse("unknown_product", format!("{} is not in the catalogue", line.sku)))?;
        Ok(Line {
            sku: line.sku.clone(),
            name: product.name.clone(),
            quantity: line.quantity,
            price_cents: product.price,
            grams: product.grams,
        })
    };
    shop.lines(order.order).iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(customer: &str, order: Option<u32>) -> Result<OrderFound, Failure> {
        work(&Shop::bundled().unwrap(), Question { customer: customer.to_owned(), order })
    }

    #[test]
    fn without_a_number_it_is_the_newest() {
        let found = ask("C-305", None).unwrap();
        assert_eq!((found.order, found.first_name.as_str(), found.orders_so_far), (1031, "Jonas", 5));
        assert_eq!(found.bought, ["EQ-03", "ESP-03", "ESP-05", "FIL-05"]);
    }

    #[test]
    fn what_is_not_there_or_not_theirs_is_refused_by_name() {
        let codes = [ask("C-305", Some(9)), ask("C-305", Some(1042)), ask("C-999", None)].map(|r| r.unwrap_err().code);
        assert_eq!(codes, ["unknown_order", "not_your_order", "unknown_customer"]);
    }
}
