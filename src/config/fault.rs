//! What is wrong with the configuration.

use std::fmt;

/// One bad value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:?}: allowed {}", .allowed)]
pub struct ConfigFault {
    /// The variable, or the flag that was used in its place.
    pub name: String,
    /// The value, masked where it is a secret.
    pub value: String,
    /// What is allowed, and what to do where that does not go without saying.
    pub allowed: String,
}

/// All bad values, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            many => {
                write!(f, "{} settings have bad values:", many.len())?;
                many.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for ConfigFaults {}
