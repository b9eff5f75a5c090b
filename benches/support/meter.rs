//! CPU time and memory of processes, from `/proc`.

use anyhow::{Context, Result};
use procfs::process::{Process, all_processes};
use std::time::Duration;

/// A process, or several that are one thing.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: &'static str,
    pub pid: i32,
    /// Its children belong to it (Postgres has a process for each connection).
    pub with_children: bool,
}

/// What a group has used.
#[derive(Clone, Debug)]
pub struct Usage {
    pub name: &'static str,
    pub cpu: Duration,
    /// Resident memory; of several processes the sum of their proportional shares.
    pub memory_bytes: u64,
}

/// This process.
pub fn own() -> Group {
    Group { name: "bench", pid: std::process::id().cast_signed(), with_children: false }
}

/// What each group has used since it started.
pub fn read(groups: &[Group]) -> Result<Vec<Usage>> {
    groups.iter().map(|group| usage(group).with_context(|| format!("the process of {}", group.name))).collect()
}

/// What was used between two readings of the same groups, and the memory of the second.
pub fn between(before: &[Usage], after: &[Usage]) -> Vec<Usage> {
    let used = |(before, after): (&Usage, &Usage)| Usage { cpu: after.cpu.saturating_sub(before.cpu), ..after.clone() };
    before.iter().zip(after).map(used).collect()
}

fn usage(group: &Group) -> Result<Usage> {
    let process = Process::new(group.pid)?;
    let stat = process.stat()?;
    let mut ticks = stat.utime + stat.stime;
    let mut memory_bytes = process.status()?.vmrss.unwrap_or(0) * 1024;
    if group.with_children {
        // Children that have ended and were waited for.
        ticks += u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        memory_bytes = shared_memory(&process);
        for child in all_processes()?.flatten() {
            let Ok(stat) = child.stat() else { continue };
            if stat.ppid == group.pid {
                ticks += stat.utime + stat.stime;
                memory_bytes += shared_memory(&child);
            }
        }
    }
    let cpu = Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64);
    Ok(Usage { name: group.name, cpu, memory_bytes })
}

fn shared_memory(process: &Process) -> u64 {
    let rollup = process.smaps_rollup().ok();
    rollup
        .and_then(|rollup| rollup.memory_map_rollup.0.first().and_then(|map| map.extension.map.get("Pss").copied()))
        .unwrap_or(0)
}

/// Resident memory now and at its highest.
pub fn resident(pid: i32) -> Result<(u64, u64)> {
    let status = Process::new(pid)?.status()?;
    Ok((status.vmrss.unwrap_or(0) * 1024, status.vmhwm.unwrap_or(0) * 1024))
}
