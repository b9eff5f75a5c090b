//! One engine at a time in a folder: whoever runs one holds a lock on a file beside the log.
//!
//! The lock is the system's (flock(2)), so that it is gone with its process, however that ends; what stands in the
//! file only says who it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file in the folder.
pub const HOLD_FILE: &str = "engine.lock";
/// More than the note ever has.
const NOTE_BYTES: u64 = 200;

/// Why a folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Somebody has it.
    #[error(
        "an engine runs in {folder} already: {holder}. Work with that one (every command takes --data {folder}), stop \
         it, or choose another folder with --data"
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who, as the holder noted it.
        holder: String,
    },
    /// The file cannot be made or locked.
    #[error("{file} cannot be locked: {fault}; choose a folder on a local disk that you may write to")]
    Fault {
        /// The file.
        file: PathBuf,
        /// Why.
        fault: std::io::Error,
    },
}

/// The right to run an engine in a folder, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

impl Hold {
    /// Takes the folder, which exists.
    ///
    /// # Errors
    /// Where another engine has it, or the file cannot be locked.
    pub fn take(folder: &Path) -> Result<Self, HoldError> {
        let path = folder.join(HOLD_FILE);
        let fault = |fault| HoldError::Fault { file: path.clone(), fault };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HoldError::Held { folder: folder.to_owned(), holder: noted(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        note(&mut file).map_err(fault)?;
        Ok(Self { _file: file })
    }
}

/// Writes down who has it.
fn note(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {} since {} UTC", std::process::id(), jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S"))
}

/// What the holder has written down; it may be about to.
fn noted(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(NOTE_BYTES).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_once_and_the_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let first = Hold::take(folder.path()).unwrap();
        let refused = Hold::take(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} since", std::process::id())), "{refused}");
        assert!(refused.contains(&folder.path().display().to_string()), "{refused}");
        drop(first);
        Hold::take(folder.path()).unwrap();
    }
}
