//! Where an export goes: a file that is whole or not there, or the standard output.

use crate::cli::exit::{Exit, fail};
use anyhow::{Context, Result};
use std::fs::Permissions;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How much is gathered before the file is written to, in bytes.
const BUFFER: usize = 1 << 20;

/// How the standard output is asked for.
pub const STDOUT: &str = "-";

/// Where an export goes.
#[derive(Debug)]
pub enum Target {
    /// The standard output.
    Stdout(BufWriter<Stdout>),
    /// A file beside the one that was asked for, until it is whole.
    File {
        /// What is written to.
        file: BufWriter<NamedTempFile>,
        /// What was asked for.
        path: PathBuf,
        /// Whether it may be there already.
        force: bool,
    },
}

impl Target {
    /// Makes the file beside the one that was asked for.
    ///
    /// # Errors
    /// Where there is one already and it may not be replaced, or none can be made.
    pub fn open(out: &str, force: bool) -> Result<Self> {
        if out == STDOUT {
            return Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())));
        }
        let path = PathBuf::from(out);
        match path.symlink_metadata() {
            // What is no file (a device, a pipe) would be replaced by one.
            Ok(found) if !found.is_file() => {
                return Err(fail(Exit::Usage, format!("{out} is no file; `--out -` writes to the standard output")));
            }
            Ok(_) if !force => return Err(is_there(&path)),
            _ => {}
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut builder = tempfile::Builder::new();
        let (prefix, suffix) = (format!(".{name}."), ".part");
        builder.prefix(&prefix).suffix(suffix);
        // As other files: what the process's umask leaves of it.
        #[cfg(unix)]
        builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
        let file =
            builder.tempfile_in(folder).with_context(|| format!("no file can be made in {}", folder.display()))?;
        Ok(Self::File { file: BufWriter::with_capacity(BUFFER, file), path, force })
    }

    /// Gives the file its name, now that it is whole; the name.
    ///
    /// # Errors
    /// Where it can't be written, or a file of that name has come meanwhile and may not be replaced.
    pub fn keep(self) -> Result<Option<String>> {
        let (file, path, force) = match self {
            Self::Stdout(mut stdout) => {
                stdout.flush()?;
                return Ok(None);
            }
            Self::File { file, path, force } => (file, path, force),
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(|| unwritten(&path))?;
        file.as_file().sync_all().with_context(|| unwritten(&path))?;
        let kept = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        match kept {
            Ok(_) => Ok(Some(path.display().to_string())),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(&path)),
            Err(error) => Err(error.error).with_context(|| unwritten(&path)),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

fn is_there(path: &Path) -> anyhow::Error {
    fail(Exit::Refused, format!("{} is there already; --force replaces it", path.display()))
}

fn unwritten(path: &Path) -> String {
    format!("{} can't be written", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::of_error;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().into_owned();
        std::fs::read_dir(folder).unwrap().map(name).collect()
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let out = path.to_str().unwrap();
        let mut target = Target::open(out, false).unwrap();
        target.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(target);
        assert_eq!(names(folder.path()), Vec::<String>::new());

        let mut target = Target::open(out, false).unwrap();
        target.write_all(b"whole").unwrap();
        assert_eq!(target.keep().unwrap().as_deref(), Some(out));
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"whole".to_vec(), vec!["events.jsonl".to_owned()])
        );
    }

    #[test]
    fn what_is_there_is_replaced_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let out = path.to_str().unwrap();
        std::fs::write(&path, "old").unwrap();
        let refused = Target::open(out, false).unwrap_err();
        assert!(of_error(&refused) == Exit::Refused && refused.to_string().contains("--force"), "{refused:#}");
        Target::open(out, true).unwrap().keep().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::remove_file(&path).unwrap();
        let late = Target::open(out, false).unwrap();
        std::fs::write(&path, "of another").unwrap();
        assert_eq!(of_error(&late.keep().unwrap_err()), Exit::Refused);
        assert_eq!(std::fs::read(&path).unwrap(), b"of another");
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for out in [folder.path().to_str().unwrap(), "/dev/null"] {
            assert_eq!(of_error(&Target::open(out, true).unwrap_err()), Exit::Usage, "{out}");
        }
        assert!(Target::open(folder.path().join("no/folder/x").to_str().unwrap(), false).is_err());
    }
}
