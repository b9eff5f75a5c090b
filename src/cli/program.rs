//! Looking a program up before nodes depend on it.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for when there is no `PATH`: as the C library does.
const USUAL_PATH: &str = "/bin:/usr/bin";

/// Finds the file that would be started: a name without `/` is looked up in `path` (the value of `PATH`), any other is
/// a path from where we are.
///
/// # Errors
/// What is in the way and what to do, as a sentence.
pub fn find(program: &str, path: Option<&OsStr>) -> Result<PathBuf, String> {
    if program.contains('/') {
        let found = PathBuf::from(program);
        return match look(&found) {
            Look::Executable => Ok(found),
            Look::Missing => Err(format!("there is no file {program}; name the program by a path that exists")),
            Look::Folder => Err(format!("{program} is a folder; name a program in it")),
            Look::Closed => Err(not_executable(&found)),
        };
    }
    let path = path.unwrap_or_else(|| OsStr::new(USUAL_PATH));
    let mut closed = None;
    for folder in std::env::split_paths(path) {
        let file = folder.join(program);
        match look(&file) {
            Look::Executable => return Ok(file),
            Look::Closed => closed = closed.or(Some(file)),
            Look::Missing | Look::Folder => {}
        }
    }
    let here = match look(Path::new(program)) {
        Look::Executable | Look::Closed => format!("; the file in this folder is ./{program}"),
        Look::Missing | Look::Folder => "; install it, or name it by its path".to_owned(),
    };
    Err(closed.map_or_else(
        || format!("there is no program {program:?} in PATH ({}){here}", path.display()),
        |file| not_executable(&file),
    ))
}

fn not_executable(file: &Path) -> String {
    let file = file.display();
    format!("{file} is not executable; `chmod +x {file}`, or name the interpreter before it (`--exec sh {file}`)")
}

/// What stands at a path.
enum Look {
    Executable,
    /// A file that nobody may execute.
    Closed,
    Folder,
    Missing,
}

fn look(file: &Path) -> Look {
    match std::fs::metadata(file) {
        Err(_) => Look::Missing,
        Ok(found) if found.is_dir() => Look::Folder,
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Look::Closed,
        Ok(_) => Look::Executable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_it_would_be_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, mode: u32| {
            let file = folder.path().join(name);
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            file
        };
        let (good, closed) = (file("good", 0o755), file("closed", 0o644));
        let path = std::env::join_paths([Path::new("/does/not/exist"), folder.path()]).unwrap();
        let find = |program: &str| find(program, Some(&path));
        assert_eq!(find("good").unwrap(), good);
        assert_eq!(find(good.to_str().unwrap()).unwrap(), good);
        for (program, words) in [
            ("closed", "is not executable; `chmod +x "),
            (closed.to_str().unwrap(), "is not executable; `chmod +x "),
            ("no-such-program", "in PATH (/does/not/exist:"),
            ("./no-such-program", "there is no file ./no-such-program"),
            (folder.path().to_str().unwrap(), "is a folder"),
        ] {
            let error = find(program).unwrap_err();
            assert!(error.contains(words), "{program}: {error}");
        }
    }
}
