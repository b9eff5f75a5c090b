//! `check-stock`: the products in question that can be sent.

use crate::core::failure::Failure;
use crate::demo::shop::data::{Product, Shop};
use crate::demo::shop::desk::refuse;
use crate::demo::shop::money::Cents;
use crate::demo::shop::papers::{Item, Stock};
use serde::Deserialize;

/// The question: products by number, or else every coffee for a way of making it and below a price.
#[derive(Deserialize)]
pub struct Question {
    products: Vec<String>,
    brew: Option<String>,
    budget_cents: Option<Cents>,
}

/// Looks through the catalogue.
pub fn work(shop: &Shop, question: Question) -> Result<Stock, Failure> {
    if let Some(unknown) = question.products.iter().find(|sku| shop.product(sku).is_none()) {
        return Err(refuse("unknown_product", format!("{unknown} is not in the catalogue")));
    }
    let (available, sold_out): (Vec<&Product>, Vec<&Product>) =
        shop.catalogue.iter().filter(|product| question.means(product)).partition(|product| product.stock > 0);
    Ok(Stock {
        looked_at: shop.catalogue.len(),
        available: available.into_iter().map(item).collect(),
        sold_out: sold_out.into_iter().map(|product| product.name.clone()).collect(),
    })
}

impl Question {
    fn means(&self, product: &Product) -> bool {
        if !self.products.is_empty() {
            return self.products.contains(&product.sku);
        }
        self.brew.as_deref() == Some(product.brew.as_str())
            && self.budget_cents.is_none_or(|budget| product.price < budget)
    }
}

fn item(product: &Product) -> Item {
    Item {
        sku: product.sku.clone(),
        name: product.name.clone(),
        roast: product.roast.clone(),
        origin: product.origin.clone(),
        price_cents: product.price,
        grams: product.grams,
        stock: product.stock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coffee_for_espresso_below_a_price() {
        let question =
            Question { products: Vec::new(), brew: Some("espresso".to_owned()), budget_cents: Some(Cents(1_400)) };
        let stock = work(&Shop::bundled().unwrap(), question).unwrap();
        let names: Vec<_> = stock.available.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["Bella Notte", "Monte Nero", "Corso Nove"]);
        assert_eq!(stock.sold_out, ["Stazione Decaf"]);
    }

    #[test]
    fn a_product_that_nobody_sells_is_refused() {
        let question = Question { products: vec!["TEA-01".to_owned()], brew: None, budget_cents: None };
        assert_eq!(work(&Shop::bundled().unwrap(), question).unwrap_err().code, "unknown_product");
    }
}
