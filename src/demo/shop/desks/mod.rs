//! The desks, in the order in which a request passes them. Each is one file: a question, an answer, and the work
//! between them.

pub mod check_stock;
pub mod estimate_shipping;
pub mod find_order;
pub mod price_offer;
pub mod read_message;
pub mod read_reviews;
pub mod sum_up;
pub mod write_answer;
