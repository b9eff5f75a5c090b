//! Whether the process of a group's member is still there, asked of the machine: a killed one need not be waited
//! for until its session times out.
//!
//! A process is `boot/pid namespace/pid/start time`; only one of the same boot and pid namespace can be judged, so
//! that containers which share a folder do not declare each other dead. Elsewhere than on Linux nobody is judged.

use std::fs;

/// This process; empty where it cannot be told.
pub(super) fn this_process() -> String {
    of(std::process::id()).unwrap_or_default()
}

/// A process that runs now, seen from here.
pub(super) fn of(pid: u32) -> Option<String> {
    Some(format!("{}/{pid}/{}", surroundings()?, start_time(pid)?))
}

/// Whether this process is known to have ended.
pub(super) fn has_ended(process: &str) -> bool {
    let judge = || {
        let (rest, start) = process.rsplit_once('/')?;
        let (around, pid) = rest.rsplit_once('/')?;
        let pid: u32 = pid.parse().ok()?;
        (around == surroundings()?).then(|| start_time(pid).as_deref() != Some(start))
    };
    judge().unwrap_or(false)
}

fn surroundings() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// Fields 3 and 22 of `/proc/PID/stat` (proc_pid_stat(5)); `None` for a process that is gone or a zombie.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let alive = !matches!(fields.next()?, "Z" | "X");
    alive.then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_ended_once_it_was_killed() {
        assert!(!has_ended(&this_process()));
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("sleep starts");
        let process = of(child.id()).expect("it runs");
        assert!(!has_ended(&process));
        child.kill().expect("killed");
        child.wait().expect("reaped");
        assert!(has_ended(&process));
    }

    #[test]
    fn a_process_elsewhere_is_not_judged() {
        assert!(!has_ended("another-boot/pid:[1]/1/1"));
        assert!(!has_ended(""));
    }
}
