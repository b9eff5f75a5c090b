//! `write-answer`: words for the facts. The responder.

use crate::core::failure::Failure;
use crate::demo::shop::data::{OrderStatus, Shop};
use crate::demo::shop::desk::refuse;
use crate::demo::shop::papers::{Answer, Facts, Matter};
use jiff::civil::Date;
use serde::Deserialize;

/// The question.
#[derive(Deserialize)]
pub struct Question {
    facts: Facts,
}

/// Words the answer.
pub fn work(_: &Shop, question: Question) -> Result<Answer, Failure> {
    let Facts { first_name, matter } = question.facts;
    let (subject, sentences) = match &matter {
        Matter::Order { order, .. } => (format!("Your order {order}"), order_words(&matter)?),
        Matter::Advice { choice, .. } => (format!("Take the {}", choice.name), advice_words(&matter)?),
        Matter::Complaint { order, .. } => (format!("Your order {order}: we are sorry"), complaint_words(&matter)?),
    };
    Ok(Answer { subject, text: format!("Hello {first_name}, {}", sentences.join(" ")) })
}

fn order_words(matter: &Matter) -> Result<Vec<String>, Failure> {
    let Matter::Order { order, status, parcel, added, sold_out, more_cents, total_cents, percent } = matter else {
        return Ok(Vec::new());
    };
    let mut words = match status {
        OrderStatus::Delivered => vec![format!("order {order} has been delivered already.")],
        status => vec![format!(
            "order {order} is {} and should reach you between {} and {} with {}.",
            status_words(*status),
            day(&parcel.from)?,
            day(&parcel.to)?,
            parcel.carrier
        )],
    };
    if !added.is_empty() {
        let names: Vec<&str> = added.iter().map(|item| item.name.as_str()).collect();
        let price: crate::demo::shop::money::Cents = added.iter().map(|item| item.price_cents).sum();
        words.push(format!("Yes, there is still time to add {} ({price}).", list(&names)));
        if *percent > 0 && *more_cents < price {
            words.push(format!(
                "It goes into the same parcel, and with it your whole order gets {percent} % off, so that it costs you \
                 just {more_cents} more: {total_cents} in all, shipping included."
            ));
        } else {
            words.push(format!("That makes {more_cents} more: {total_cents} in all, shipping included."));
        }
    } else if !parcel.same_parcel {
        words.push("Nothing can be added to it any more; a new order goes out tomorrow.".to_owned());
    }
    if !sold_out.is_empty() {
        words.push(format!("Sold out at the moment: {}.", list(sold_out)));
    }
    Ok(words)
}

fn advice_words(matter: &Matter) -> Result<Vec<String>, Failure> {
    let Matter::Advice { choice, rating, own_cents, others, sold_out, parcel, had } = matter else {
        return Ok(Vec::new());
    };
    let mut words = vec![
        format!("take the {}: {} roast, {}, {} g.", choice.name, choice.roast, choice.origin, choice.grams),
        format!("{} customers give it {:.1} stars; one of them says {}.", rating.reviews, rating.stars, rating.quote),
    ];
    words.push(if *own_cents < choice.price_cents {
        format!("As a regular you pay {own_cents} instead of {}.", choice.price_cents)
    } else {
        format!("It costs {own_cents}.")
    });
    words.push(format!("{} would bring it by {} for {}.", parcel.carrier, day(&parcel.to)?, parcel.cost_cents));
    if let Some(had) = had {
        words.push(format!("You have had our {had}: this one is a step up."));
    }
    if !others.is_empty() {
        words.push(format!("We also compared it with {}.", list(others)));
    }
    if !sold_out.is_empty() {
        words.push(format!("{} would have fit, but is sold out.", list(sold_out)));
    }
    Ok(words)
}

fn complaint_words(matter: &Matter) -> Result<Vec<String>, Failure> {
    let Matter::Complaint { order, problems, name, pieces, alike, refund_cents, replaced_by, voucher_cents } = matter
    else {
        return Ok(Vec::new());
    };
    let what = if *pieces == 1 { format!("a bag of {name}") } else { format!("{pieces} bags of {name}") };
    let mut words = vec![format!("we are sorry that {what} from order {order} was {}.", list(problems))];
    if alike.count > 0 {
        words.push(format!(
            "You are not the only one: {} of {} reviews of the last {} days say the same, and our roaster knows now.",
            alike.count, alike.of, alike.days
        ));
    }
    words.push(match replaced_by {
        Some(by) => format!(
            "Please choose: we pay back {refund_cents}, which is what you paid, or send {} by {}, at our cost.",
            if *pieces == 1 { "a fresh bag" } else { "fresh bags" },
            day(by)?
        ),
        None => format!("We pay back {refund_cents}, which is what you paid."),
    });
    words.push(format!("Either way a voucher of {voucher_cents} is yours. Nothing needs to be sent back."));
    Ok(words)
}

fn status_words(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Placed => "waiting to be roasted",
        OrderStatus::Roasting => "being roasted",
        OrderStatus::Packing => "being packed",
        OrderStatus::Shipped => "on its way",
        OrderStatus::Delivered => "delivered",
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// `2026-03-16` as `Monday, 16 March`.
fn day(text: &str) -> Result<String, Failure> {
    let date: Date = text.parse().map_err(|fault| refuse("no_such_day", format!("{text:?} is not a day: {fault}")))?;
    Ok(date.strftime("%A, %-d %B").to_string())
}
