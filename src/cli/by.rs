//! Who does something, as the history will say.

use crate::wire::letter_handling::check_by;

/// The name of a person or a program.
#[derive(Debug, clap::Args)]
pub struct By {
    /// Who does it; without it the user of the operating system
    #[arg(long, value_name = "NAME", value_parser = name)]
    by: Option<String>,
}

impl By {
    /// The name that was given, or that of the user.
    pub fn name(&self) -> String {
        let user = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|variable| std::env::var(variable).ok());
        let user = || user().and_then(|user| name(&user).ok());
        self.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    check_by(text).map(|()| text.to_owned()).map_err(|refusal| refusal.message)
}
