//! Who does something, as the history will say.

use crate::wire::letter_handling::check_by;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The name of a person or a program.
#[derive(Debug, clap::Args)]
pub struct By {
    /// Who does it; without it the user of the operating system
    #[arg(long, value_name = "NAME", value_parser = name)]
    by: Option<String>,
}

/// The user of the operating system: as the environment says, else (a timer, a container) as its users are listed, else
/// by number.
static USER: LazyLock<String> = LazyLock::new(|| {
    let named = || ["USER", "LOGNAME"].into_iter().find_map(|variable| name(&std::env::var(variable).ok()?).ok());
    named().or_else(listed).unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
});

impl By {
    /// The name that was given, or that of the user.
    pub fn name(&self) -> String {
        self.by.clone().unwrap_or_else(|| USER.clone())
    }
}

/// POSIX `id` asks the directory services, too, which a program that calls no C cannot.
fn listed() -> Option<String> {
    let id = Command::new("id").arg("-un").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(id.stdout).ok().filter(|_| id.status.success())?;
    name(text.trim_end()).ok()
}

fn name(text: &str) -> Result<String, String> {
    check_by(text).map(|()| text.to_owned()).map_err(|refusal| refusal.message)
}
