//! `read-message`: what is the customer after?

use crate::core::failure::Failure;
use crate::demo::shop::data::Shop;
use crate::demo::shop::desk::refuse;
use crate::demo::shop::money::Cents;
use crate::demo::shop::papers::{Inquiry, Intent};
use serde::Deserialize;

/// The question.
#[derive(Deserialize)]
pub struct Question {
    message: String,
}

const ORDER_WORDS: &[&str] = &["where", "arrive", "add", "change", "status", "still"];
const ADVICE_WORDS: &[&str] = &["which", "recommend", "advise", "best", "suggest", "under", "good"];
const PROBLEM_WORDS: &[&str] = &["torn", "stale", "broken", "missing", "wrong", "leaking", "cracked"];
const BREWS: &[&str] = &["espresso", "filter"];

/// Finds the order number, the products, the budget and the tone of a message.
pub fn work(shop: &Shop, question: Question) -> Result<Inquiry, Failure> {
    let text = question.message.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return Err(refuse("empty_message", "expected a message with words in it, found none"));
    }
    let named = |list: &[&str]| -> Vec<String> {
        list.iter().filter(|word| words.contains(word)).map(|word| (*word).to_owned()).collect()
    };
    let problems = named(PROBLEM_WORDS);
    let products: Vec<String> = shop
        .catalogue
        .iter()
        .filter(|product| text.contains(&product.name.to_lowercase()))
        .map(|product| product.sku.clone())
        .collect();
    // "Paper filters" is a product, not a way of making coffee.
    let brew = if products.is_empty() { named(BREWS).into_iter().next() } else { None };
    let intent = if !problems.is_empty() {
        Intent::Complaint
    } else if named(ADVICE_WORDS).len() > named(ORDER_WORDS).len() {
        Intent::Advice
    } else {
        Intent::Order
    };
    Ok(Inquiry {
        intent,
        order: number_after(&words, &["order", "number", "no"]),
        products,
        brew,
        budget_cents: number_after(&words, &["under", "below", "most"]).map(|euros| Cents(i64::from(euros) * 100)),
        pieces: pieces(&words),
        problems,
    })
}

/// The number that follows one of these words.
fn number_after(words: &[&str], lead: &[&str]) -> Option<u32> {
    words.windows(2).find(|pair| lead.contains(&pair[0])).and_then(|pair| pair[1].parse().ok())
}

fn pieces(words: &[&str]) -> u32 {
    let counted = [("both", 2), ("two", 2), ("three", 3)];
    counted.iter().find(|(word, _)| words.contains(word)).map_or(1, |(_, count)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Result<Inquiry, Failure> {
        work(&Shop::bundled().unwrap(), Question { message: message.to_owned() })
    }

    #[test]
    fn an_order_with_an_addition() {
        let inquiry = read("Hi! Where is my order 1042? And can I still add Paper Filters?").unwrap();
        assert_eq!((inquiry.intent, inquiry.order, inquiry.brew), (Intent::Order, Some(1042), None));
        assert_eq!(inquiry.products, ["EQ-03"]);
    }

    #[test]
    fn advice_within_a_budget() {
        let inquiry = read("Which coffee is good for espresso, under 14 euros?").unwrap();
        assert_eq!((inquiry.intent, inquiry.brew.as_deref()), (Intent::Advice, Some("espresso")));
        assert_eq!(inquiry.budget_cents, Some(Cents(1_400)));
    }

    #[test]
    fn a_complaint_with_its_words() {
        let inquiry = read("Both bags of Fiorita in order #1035 were torn, and smell stale.").unwrap();
        assert_eq!((inquiry.intent, inquiry.order, inquiry.pieces), (Intent::Complaint, Some(1035), 2));
        assert_eq!(
            (inquiry.products, inquiry.problems),
            (vec!["ESP-03".to_owned()], vec!["torn".to_owned(), "stale".to_owned()])
        );
    }

    #[test]
    fn silence_is_refused() {
        assert_eq!(read(" ?! ").unwrap_err().code, "empty_message");
    }
}
