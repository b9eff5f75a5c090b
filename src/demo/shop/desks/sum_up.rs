//! `sum-up`: brings together what the other desks found. The synthesizer.

use crate::core::failure::Failure;
use crate::demo::shop::data::Shop;
use crate::demo::shop::desk::refuse;
use crate::demo::shop::papers::{Facts, Inquiry, Item, Matter, Offer, Opinions, OrderFound, Parcel, Rating, Stock};
use serde::Deserialize;

/// The question.
#[derive(Deserialize)]
pub struct Question {
    inquiry: Inquiry,
    order: OrderFound,
    stock: Stock,
    opinions: Opinions,
    parcel: Parcel,
    offer: Offer,
}

/// Chooses, and adds up.
pub fn work(shop: &Shop, question: Question) -> Result<Facts, Failure> {
    let first_name = question.order.first_name.clone();
    let Question { inquiry, order, stock, opinions, parcel, offer } = question;
    let matter = match offer {
        Offer::Addition { added, before_cents, after_cents, after_percent, .. } => Matter::Order {
            order: order.order,
            status: order.status,
            more_cents: after_cents - before_cents + parcel.added_cost_cents,
            total_cents: after_cents + parcel.cost_cents,
            percent: after_percent,
            added,
            sold_out: stock.sold_out,
            parcel,
        },
        Offer::Prices { prices, .. } => {
            let (choice, rating) = choose(&stock, &opinions)?;
            let own = prices.iter().find(|own| own.sku == choice.sku).map_or(choice.price_cents, |own| own.own_cents);
            let others = stock.available.iter().filter(|item| item.sku != choice.sku);
            Matter::Advice {
                own_cents: own,
                others: others.map(|item| item.name.clone()).collect(),
                had: had_before(shop, &order, choice),
                choice: choice.clone(),
                rating: rating.clone(),
                sold_out: stock.sold_out,
                parcel,
            }
        }
        Offer::Refund { name, pieces, refund_cents, replaceable, voucher_cents } => Matter::Complaint {
            order: order.order,
            problems: inquiry.problems,
            name,
            pieces,
            alike: opinions.alike,
            refund_cents,
            replaced_by: replaceable.then_some(parcel.to),
            voucher_cents,
        },
    };
    Ok(Facts { first_name, matter })
}

/// The best rated that is there; of two alike the cheaper.
fn choose<'a>(stock: &'a Stock, opinions: &'a Opinions) -> Result<(&'a Item, &'a Rating), Failure> {
    let rated = stock
        .available
        .iter()
        .filter_map(|item| opinions.ratings.iter().find(|rating| rating.sku == item.sku).map(|rating| (item, rating)));
    let best = rated.max_by(|(a, ra), (b, rb)| {
        ra.score.total_cmp(&rb.score).then_with(|| b.price_cents.cmp(&a.price_cents)).then_with(|| b.sku.cmp(&a.sku))
    });
    best.ok_or_else(|| refuse("nothing_fits", "none of the products in question is there and has been reviewed"))
}

/// The coffee for the same way of making it that the customer has had.
fn had_before(shop: &Shop, order: &OrderFound, choice: &Item) -> Option<String> {
    let brew = &shop.product(&choice.sku)?.brew;
    let mut had = order.bought.iter().filter_map(|sku| shop.product(sku));
    had.rfind(|product| product.brew == *brew && product.sku != choice.sku).map(|product| product.name.clone())
}
