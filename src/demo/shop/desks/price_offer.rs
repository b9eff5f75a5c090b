//! `price-offer`: discounts and refunds.

use crate::core::failure::Failure;
use crate::demo::shop::data::Shop;
use crate::demo::shop::desk::refuse;
use crate::demo::shop::money::Cents;
use crate::demo::shop::papers::{Inquiry, Intent, Item, Line, Offer, OrderFound, OwnPrice, Stock};
use serde::Deserialize;

/// The question.
#[derive(Deserialize)]
pub struct Question {
    inquiry: Inquiry,
    order: OrderFound,
    stock: Stock,
}

/// Discounts on the goods of an order: from this sum on, so many percent. The highest first.
const DISCOUNTS: [(Cents, u8); 2] = [(Cents(5_500), 10), (Cents(3_500), 5)];
/// From this many orders on a customer is a regular …
const REGULAR_ORDERS: u32 = 5;
/// … and gets so many percent on everything.
const REGULAR_PERCENT: u8 = 5;
/// What a complaint is worth on top of the refund.
const VOUCHER: Cents = Cents(500);

/// Prices what the customer is after.
pub fn work(_: &Shop, question: Question) -> Result<Offer, Failure> {
    match question.inquiry.intent {
        Intent::Order => Ok(addition(&question.order, question.stock.available)),
        Intent::Advice => Ok(own_prices(&question.order, &question.stock.available)),
        Intent::Complaint => refund(&question),
    }
}

fn discount(goods: Cents) -> u8 {
    DISCOUNTS.iter().find(|(from, _)| goods >= *from).map_or(0, |(_, percent)| *percent)
}

fn goods(lines: &[Line]) -> Cents {
    lines.iter().map(|line| line.price_cents.times(line.quantity)).sum()
}

fn addition(order: &OrderFound, available: Vec<Item>) -> Offer {
    let added = if order.open { available } else { Vec::new() };
    let before = goods(&order.lines);
    let after = before + added.iter().map(|item| item.price_cents).sum();
    let (before_percent, after_percent) = (discount(before), discount(after));
    Offer::Addition {
        added,
        before_cents: before.less_percent(before_percent),
        after_cents: after.less_percent(after_percent),
        before_percent,
        after_percent,
    }
}

fn own_prices(order: &OrderFound, available: &[Item]) -> Offer {
    let percent = if order.orders_so_far >= REGULAR_ORDERS { REGULAR_PERCENT } else { 0 };
    let own = |item: &Item| OwnPrice {
        sku: item.sku.clone(),
        price_cents: item.price_cents,
        own_cents: item.price_cents.less_percent(percent),
    };
    Offer::Prices { prices: available.iter().map(own).collect(), percent }
}

fn refund(question: &Question) -> Result<Offer, Failure> {
    let Question { inquiry, order, stock } = question;
    let line = order.lines.iter().find(|line| inquiry.products.contains(&line.sku));
    let line = line.ok_or_else(|| {
        let names: Vec<&str> = order.lines.iter().map(|line| line.name.as_str()).collect();
        let message = format!("the complaint names nothing of order {}, which holds {}", order.order, names.join(", "));
        refuse("nothing_to_refund", message)
    })?;
    let pieces = inquiry.pieces.min(line.quantity);
    let paid = line.price_cents.times(pieces).less_percent(discount(goods(&order.lines)));
    Ok(Offer::Refund {
        name: line.name.clone(),
        pieces,
        refund_cents: paid,
        replaceable: stock.available.iter().any(|item| item.sku == line.sku && item.stock >= pieces),
        voucher_cents: VOUCHER,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::shop::desks::{check_stock, find_order, read_message};
    use serde_json::{from_value, json};

    fn ask(customer: &str, message: &str) -> Result<Offer, Failure> {
        let shop = Shop::bundled().unwrap();
        let inquiry = read_message::work(&shop, from_value(json!({ "message": message })).unwrap()).unwrap();
        let order = from_value(json!({ "customer": customer, "order": inquiry.order })).unwrap();
        let order = find_order::work(&shop, order).unwrap();
        let stock = from_value(serde_json::to_value(&inquiry).unwrap()).unwrap();
        let stock = check_stock::work(&shop, stock).unwrap();
        work(&shop, Question { inquiry, order, stock })
    }

    #[test]
    fn an_addition_can_lift_the_whole_order_to_the_next_discount() {
        let Offer::Addition { before_cents, after_cents, before_percent, after_percent, .. } =
            ask("C-217", "Can I add Paper Filters to order 1042?").unwrap()
        else {
            panic!("expected an addition")
        };
        assert_eq!((before_percent, after_percent), (5, 10));
        assert_eq!((before_cents, after_cents), (Cents(5_082), Cents(5_346)));
    }

    #[test]
    fn regulars_pay_less() {
        let Offer::Prices { prices, percent } = ask("C-305", "Which is good for espresso?").unwrap() else {
            panic!("expected prices")
        };
        assert_eq!((percent, prices[0].own_cents), (5, Cents(1_225)));
    }

    #[test]
    fn a_refund_is_what_was_paid() {
        let Offer::Refund { pieces, refund_cents, replaceable, .. } =
            ask("C-142", "One bag of Fiorita in order 1035 was torn").unwrap()
        else {
            panic!("expected a refund")
        };
        assert_eq!((pieces, refund_cents, replaceable), (1, Cents(1_510), true));
        let fault = ask("C-142", "The Hand Grinder of order 1035 is broken").unwrap_err();
        assert_eq!(fault.code, "nothing_to_refund");
        assert!(fault.message.contains("Fiorita, Milk Jug"), "{}", fault.message);
    }
}
