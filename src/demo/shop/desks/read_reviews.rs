//! `read-reviews`: what customers say of the products in question, and whether others had the same trouble.

use crate::core::failure::Failure;
use crate::demo::shop::data::{Product, Review, Shop, TODAY};
use crate::demo::shop::papers::{Alike, Opinions, Rating};
use jiff::civil::Date;
use serde::Deserialize;

/// The question: products by number, or else every coffee for a way of making it.
#[derive(Deserialize)]
pub struct Question {
    products: Vec<String>,
    brew: Option<String>,
    problems: Vec<String>,
}

/// A product without reviews is taken to be an ordinary one …
const ORDINARY_STARS: f64 = 4.0;
/// … and that guess weighs as much as so many reviews.
const ORDINARY_WEIGHT: f64 = 3.0;
/// Trouble that is older than this is another batch of beans.
const RECENT_DAYS: u32 = 60;

/// Reads all reviews of the products.
pub fn work(shop: &Shop, question: Question) -> Result<Opinions, Failure> {
    let products: Vec<&Product> = shop.catalogue.iter().filter(|product| question.means(product)).collect();
    let mut ratings: Vec<Rating> = products.iter().filter_map(|product| rate(shop, product)).collect();
    ratings.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.sku.cmp(&b.sku)));
    let recent: Vec<&Review> = products
        .iter()
        .flat_map(|p| shop.reviews_of(&p.sku))
        .filter(|review| days_ago(review.written) <= RECENT_DAYS)
        .collect();
    let alike = recent.iter().filter(|review| mentions(&review.text, &question.problems)).count();
    Ok(Opinions { ratings, alike: Alike { count: alike, of: recent.len(), days: RECENT_DAYS } })
}

impl Question {
    fn means(&self, product: &Product) -> bool {
        self.products.contains(&product.sku)
            || (self.products.is_empty() && self.brew.as_deref() == Some(product.brew.as_str()))
    }
}

fn rate(shop: &Shop, product: &Product) -> Option<Rating> {
    let reviews: Vec<&Review> = shop.reviews_of(&product.sku).collect();
    let best = reviews.iter().max_by_key(|review| (review.stars, review.written))?;
    let sum: f64 = reviews.iter().map(|review| f64::from(review.stars)).sum();
    let count = reviews.len() as f64;
    Some(Rating {
        sku: product.sku.clone(),
        reviews: reviews.len(),
        stars: two_places(sum / count),
        score: two_places((sum + ORDINARY_STARS * ORDINARY_WEIGHT) / (count + ORDINARY_WEIGHT)),
        quote: format!("“{}” ({})", best.text, best.first_name),
    })
}

fn two_places(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn days_ago(date: Date) -> u32 {
    date.until(TODAY).ok().and_then(|span| u32::try_from(span.get_days()).ok()).unwrap_or(u32::MAX)
}

fn mentions(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).any(|word| words.iter().any(|wanted| wanted == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(products: &[&str], brew: Option<&str>, problems: &[&str]) -> Opinions {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let question = Question { products: owned(products), brew: brew.map(str::to_owned), problems: owned(problems) };
        work(&Shop::bundled().unwrap(), question).unwrap()
    }

    #[test]
    fn the_best_comes_first_and_few_reviews_count_less() {
        let ratings = ask(&[], Some("espresso"), &[]).ratings;
        let order: Vec<_> = ratings.iter().map(|rating| (rating.sku.as_str(), rating.stars, rating.score)).collect();
        // Seven reviews of 4.71 stars weigh more than three of 4.33.
        assert_eq!(order[..2], [("ESP-01", 4.71, 4.5), ("ESP-04", 4.33, 4.17)]);
        assert!(ratings[0].quote.contains("Noor"), "the newest of the best: {}", ratings[0].quote);
    }

    #[test]
    fn trouble_that_others_had_of_late_is_counted() {
        assert_eq!(ask(&["ESP-03"], None, &["torn", "stale"]).alike, Alike { count: 2, of: 3, days: 60 });
        assert_eq!(ask(&["ESP-03"], None, &[]).alike.count, 0);
    }

    #[test]
    fn months_are_days_too() {
        assert_eq!(days_ago(TODAY), 0);
        assert_eq!(days_ago("2025-12-12".parse().unwrap()), 90);
    }
}
